"""Grids of runs: expanded, compiled once a shape, spread over processes or devices, and summed up.

```python
grid = vary(
    Config,
    task=vary(Adding, length=(50, 100, 200)),
    cell=(LSTM(64), GRU(64), Elman(64)),
    optimizer=vary(Optimizer(clip="norm"), learning_rate=(1e-4, 3e-4, 1e-3)),
)
rows = rnnjax.ablation.ablate(grid, seeds=range(16), out="runs/grid")
```
"""

from rnnjax.ablation.cross_validation import CrossValidation, cross_validate
from rnnjax.ablation.grid import Planned, expand, programs
from rnnjax.ablation.group import train_group
from rnnjax.ablation.report import write_report
from rnnjax.ablation.run import STRATEGIES, ablate, run_planned
from rnnjax.ablation.search import Found, read_search, search
from rnnjax.ablation.search_space import Choices, Span
from rnnjax.ablation.statistics import Estimate, bootstrap, interquartile_mean
from rnnjax.ablation.store import Store
from rnnjax.ablation.vary import Varied, put, vary

__all__ = [
    "STRATEGIES",
    "Choices",
    "CrossValidation",
    "Estimate",
    "Found",
    "Planned",
    "Span",
    "Store",
    "Varied",
    "ablate",
    "bootstrap",
    "cross_validate",
    "expand",
    "interquartile_mean",
    "programs",
    "put",
    "read_search",
    "run_planned",
    "search",
    "train_group",
    "vary",
    "write_report",
]
