"""The command `rnnjax probe`."""

from __future__ import annotations

import dataclasses
import pathlib

import tyro

from rnnjax.errors import check


@dataclasses.dataclass(frozen=True)
class Probe:
    """Probe a trained run or a fresh cell: one report with a sentence and a figure for each diagnostic."""

    run: tyro.conf.Positional[pathlib.Path | None] = None
    """Folder of a trained run; or give --cell."""
    cell: str | None = None
    """Name of a cell, freshly initialised: see `rnnjax cells`."""
    out: pathlib.Path = pathlib.Path("probe")
    """Folder for the report, its numbers and figures."""
    flow: bool = False
    """Norms of the gradient against the lag. Without any of these options, all of them."""
    spectrum: bool = False
    """Singular values of products of Jacobians."""
    lyapunov: bool = False
    """Lyapunov exponents."""
    gates: bool = False
    """How open gates are, and for how long they keep."""
    memory: bool = False
    """What a linear readout finds of past inputs."""
    fixed_points: bool = False
    """Where the state stands still."""
    landscape: bool = False
    """The loss around the parameters, and its curvature."""
    explain: bool = False
    """Which inputs outputs depend on."""
    hidden: int = 64
    """Width of the state of a fresh cell."""
    length: int = 100
    """Steps of the inputs of a fresh cell."""
    in_features: int = 4
    """Width of the inputs of a fresh cell."""
    rows: int = 8
    """Sequences."""
    seed: int | None = None
    """Seed of a fresh cell (0), or which of a run's seeds (its first)."""
    which: str = "best"
    """The best checkpoint of a run on the validation split, or the latest."""
    overwrite: bool = False
    """Write into a folder that holds something already."""

    def __call__(self) -> None:
        """Prints the sentences, and writes the report."""
        given = [name for name, value in (("RUN", self.run), ("--cell", self.cell)) if value is not None]
        check(len(given) == 1, "RUN", ", ".join(given) or "nothing", "a run's folder, or --cell NAME")
        from rnnjax.probe import PARTS, fresh, trained, write_probe

        if self.run is not None:
            subject = trained(self.run, which=self.which, seed=self.seed, rows=self.rows)
        else:
            assert self.cell is not None
            subject = fresh(
                self.cell,
                hidden=self.hidden,
                length=self.length,
                in_features=self.in_features,
                rows=self.rows,
                seed=self.seed or 0,
            )
        chosen = tuple(name for name in PARTS if getattr(self, name))
        print(subject.title)
        report = write_probe(subject, chosen or None, self.out, overwrite=self.overwrite, tell=print)
        print(f"report: {report}")
