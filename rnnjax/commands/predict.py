"""The command `rnnjax predict`."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import tyro


@dataclasses.dataclass(frozen=True)
class Predict:
    """Print what a trained model says about the contents of a file, a line of JSON each."""

    run: tyro.conf.Positional[pathlib.Path]
    """The run's folder."""
    input: pathlib.Path
    """The file: what it holds depends on the task, see the task's page."""
    out: pathlib.Path | None = None
    """Write the lines to a file instead."""
    which: str = "best"
    """The best checkpoint on the validation split, or the latest."""
    seed: int | None = None
    """Which of the run's seeds; the first unless given."""

    def __call__(self) -> None:
        """Prints, or writes."""
        from rnnjax.errors import check
        from rnnjax.training import load_trained
        from rnnjax.training.run_folder import plain

        check(self.out is None or not self.out.exists(), "--out", str(self.out), "a file that does not exist yet")
        trained = load_trained(self.run, which=self.which, seed=self.seed)
        examples = trained.application.read_inputs(str(self.input))
        found = trained.application.predict(trained.model, trained.params, examples)
        lines = "".join(json.dumps(plain(row), ensure_ascii=False) + "\n" for row in found)
        if self.out is None:
            print(lines, end="")
        else:
            self.out.write_text(lines)
