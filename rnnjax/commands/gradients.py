"""The command `rnnjax gradients`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from rnnjax.commands.arguments import check_writable, names_in
from rnnjax.commands.terminal import print_table, table_of
from rnnjax.errors import check


@dataclasses.dataclass(frozen=True)
class Gradients:
    """Show how gradients flow back through fresh cells: the norm of dL/dh_t against the lag T - t."""

    cells: str = "elman,irnn,lstm,gru"
    """Names of cells, separated by commas."""
    hidden: int = 64
    """Width of the state."""
    length: int = 200
    """Steps of the sequence."""
    in_features: int = 8
    """Width of the inputs, drawn from N(0, 1)."""
    batch: int = 16
    """Sequences."""
    seed: int = 0
    """Seed of parameters and inputs."""
    out: pathlib.Path | None = None
    """Folder for the figure (SVG and PNG) and the numbers (CSV)."""
    overwrite: bool = False
    """Write into a folder that holds something already."""

    def __call__(self) -> None:
        """Prints the table; writes the figure."""
        import jax
        import numpy as np

        from rnnjax.analysis import gradient_flow
        from rnnjax.cells import get

        for field in ("hidden", "length", "in_features", "batch"):
            check(getattr(self, field) > 0, f"--{field.replace('_', '-')}", getattr(self, field), "a positive int")
        cells = {name: get(name, self.hidden) for name in names_in(self.cells, "--cells")}
        if self.out is not None:
            occupied = self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir()))
            check(self.overwrite or not occupied, "--out", str(self.out), "a new or empty folder (or --overwrite)")
            check_writable(self.out)
        key, xs_key = jax.random.split(jax.random.key(self.seed))
        xs = jax.random.normal(xs_key, (self.batch, self.length, self.in_features))
        flows = {}
        for name, cell in cells.items():
            flows[name] = gradient_flow(cell, cell.init(key, self.in_features), xs)
        lags = sorted({lag for lag in (0, 1, 10, 20, 50, 100, 200, 500, 1000, self.length - 1) if lag < self.length})
        table = table_of("cell", *(f"lag {lag}" for lag in lags), title="median of log10 |dL/dh_t|, by lag T - t")
        series = {name: np.median(np.asarray(flow.log_norms), 0)[::-1] / np.log(10) for name, flow in flows.items()}
        for name, values in series.items():
            table.add_row(name, *(f"{values[lag]:.1f}" for lag in lags))
        print_table(table)
        if self.out is not None:
            self._write(flows, series)

    def _write(self, flows: dict[str, Any], series: dict[str, Any]) -> None:
        from rnnjax.analysis import figures, style

        assert self.out is not None
        figure = figures.gradient_flow_figure(flows)
        for ending in ("svg", "png"):
            style.save(figure, self.out / f"gradients.{ending}")
        lines = ["lag," + ",".join(series)]
        lines += [
            f"{lag}," + ",".join(f"{values[lag]:.6g}" for values in series.values()) for lag in range(self.length)
        ]
        (self.out / "gradients.csv").write_text("\n".join(lines) + "\n")
        print(f"wrote {self.out}/gradients.svg, .png, .csv")
