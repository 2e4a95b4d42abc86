"""Grids of runs: expanded, compiled once a shape, spread over processes or devices, and summed up.

```python
rows = rnnjax.ablation.ablate(
    config, {"cell": (LSTM(64), GRU(64)), "optimizer.learning_rate": (3e-4, 1e-3)}, seeds=range(8), out="runs/grid"
)
```
"""

from rnnjax.ablation.grid import Planned, expand, programs, put
from rnnjax.ablation.group import train_group
from rnnjax.ablation.report import write_report
from rnnjax.ablation.run import STRATEGIES, ablate, run_planned
from rnnjax.ablation.statistics import Estimate, bootstrap, interquartile_mean
from rnnjax.ablation.store import Store

__all__ = [
    "STRATEGIES",
    "Estimate",
    "Planned",
    "Store",
    "ablate",
    "bootstrap",
    "expand",
    "interquartile_mean",
    "programs",
    "put",
    "run_planned",
    "train_group",
    "write_report",
]
