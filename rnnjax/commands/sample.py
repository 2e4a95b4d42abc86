"""The command `rnnjax sample`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from rnnjax.errors import check


@dataclasses.dataclass(frozen=True)
class Sample:
    """Let a trained model write on after a prompt."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder."""
    prompt: str = ""
    """What to go on from."""
    length: int = 200
    """How many symbols to write."""
    temperature: float = 1.0
    """Below 1 the likely becomes likelier; 0 takes the likeliest each time."""
    top_k: int | None = None
    """Draw from the k likeliest only."""
    top_p: float | None = None
    """Draw from the smallest set of symbols that has this much probability."""
    seed: int = 0
    """Seed of the drawing."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""
    of_seed: int | None = None
    """Which of the run's seeds; the first unless given."""

    def __call__(self) -> None:
        """Prints the text."""
        import jax

        from rnnjax.training import load_trained

        check(self.length > 0, "--length", self.length, "a positive int")
        check(0 <= self.temperature < float("inf"), "--temperature", self.temperature, "a number >= 0")
        check(self.top_k is None or self.top_k > 0, "--top-k", self.top_k, "a positive int")
        check(self.top_p is None or 0 < self.top_p <= 1, "--top-p", self.top_p, "a number in (0, 1]")
        trained = load_trained(self.run, which=self.which, seed=self.of_seed)
        print(
            trained.application.generate(
                trained.model,
                trained.params,
                self.prompt,
                self.length,
                jax.random.key(self.seed),
                temperature=self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
            )
        )
