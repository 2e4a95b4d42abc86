"""The command `rnnjax train` for tasks on real data: one command an application, made from its fields."""

from __future__ import annotations

import dataclasses
import functools
import re
import typing
from typing import Annotated, Any, ClassVar

import tyro

from rnnjax.applications import REGISTRY, Application
from rnnjax.commands.run_options import RunOptions
from rnnjax.errors import check

_NOT_ASKED_FOR = ("prepared", "fold")
_ALIASES = {("forecast", "data"): ("--csv",)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ApplicationRun(RunOptions):
    """Options of a run of an application; a subclass for each adds the application's fields."""

    application: ClassVar[type[Application]]
    unsolved: ClassVar[str] = ""

    test: bool = False
    """Evaluate the best checkpoint on the test split after the training, beside the plain baseline; needs --out."""

    def __call__(self) -> None:
        """Trains, prints a line a seed, and the test split's metrics if asked to."""
        from rnnjax.commands.evaluate import print_evaluation
        from rnnjax.training.hosts import is_first

        check(not self.test or self.out is not None, "--out", self.out, "a folder, with --test")
        check(not (self.test and self.folds is not None), "--test", True, "either --test or --folds")
        config = self.config()
        self.train(config, f"validation {config.task.metric}")
        if self.test and is_first():
            assert self.out is not None
            print_evaluation(self.out, "test", "best")

    def config(self) -> Any:
        """The configuration that the arguments describe.

        Raises:
          InputError: an unknown name, or options that do not fit each other.
        """
        from rnnjax.training import Config

        return Config(self.make_application(), self.make_cell(), self.make_optimizer(), **self.budget())

    def make_application(self) -> Application:
        """The application that the arguments describe.

        Raises:
          InputError: options out of range.
        """
        return self.application(**{field.name: getattr(self, field.name) for field in _fields(self.application)})


@functools.cache
def command_of(name: str) -> type[ApplicationRun]:
    """The command of an application: its fields and those of every run, with the laptop preset as defaults.

    Args:
      name: one of `rnnjax.applications.REGISTRY`.
    """
    application = REGISTRY[name]
    hints = typing.get_type_hints(application)
    explained = _explained(application)
    own = []
    for field in _fields(application):
        text = explained.get(field.name, "")
        note = tyro.conf.arg(help=text, aliases=_ALIASES.get((name, field.name)))
        own.append((field.name, Annotated[hints[field.name], note], dataclasses.field(default=field.default)))
    made: Any = dataclasses.make_dataclass(
        application.__name__, own, bases=(ApplicationRun,), frozen=True, kw_only=True
    )
    made.__module__, made.application = __name__, application
    made.__doc__ = (application.__doc__ or "").strip().split("\n")[0]
    return made


def laptop_of(name: str, like: ApplicationRun | None = None) -> ApplicationRun:
    """The command of an application as it is without options.

    Args:
      name: one of `rnnjax.applications.REGISTRY`.
      like: a command whose application has a preset of its own, as a language model of words has another than one of
        characters; `None` is that of the class.
    """
    preset = REGISTRY[name].laptop if like is None else like.make_application().laptop
    optimizer = dict(preset.optimizer)
    clip, threshold = optimizer.pop("clip", None), optimizer.pop("clip_threshold", 1.0)
    factors = optimizer.pop("rate_factors", ())
    options = {"optimizer": optimizer.pop("name", "adam"), **optimizer}
    options["rate_factor"] = tuple(f"{name}={factor}" for name, factor in factors)
    if clip not in (None, "none"):
        options[f"clip_{clip}"] = threshold
    same = ("cell", "hidden", "layers", "steps", "batch_size", "evaluate_every", "dropout", "patience")
    return command_of(name)(**{field: getattr(preset, field) for field in same}, **options)


def _fields(application: type[Application]) -> list[dataclasses.Field]:
    return [field for field in dataclasses.fields(application) if field.name not in _NOT_ASKED_FOR]


def _explained(application: type[Application]) -> dict[str, str]:
    """What docstrings say about fields, from the section Args of the class and those above it."""
    found: dict[str, str] = {}
    for cls in reversed(application.__mro__):
        _, _, text = (cls.__doc__ or "").partition("Args:\n")
        text = re.split(r"\n\s*\n", text)[0]
        for name, words in re.findall(r"^ {6}(\w+): (.*?)(?=^ {6}\w+: |\Z)", text, re.S | re.M):
            found[name] = re.sub(r"\s+", " ", words.replace("`", "")).strip()
    return found
