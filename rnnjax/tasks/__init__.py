"""Memory tasks as pure samplers, each with its loss, its criterion of success and its memoryless baseline.

```python
task = rnnjax.tasks.get("adding", length=200, variant="halves")
batch = task.sample(jax.random.key(0), batch_size=32)       # inputs [batch, time, in_features], targets, mask, lengths
loss = task.loss(outputs, batch)                            # compare with task.baseline
task.solved(task.metrics(outputs, task.evaluation("test")))
```
"""

from __future__ import annotations

import dataclasses
from typing import Any

from rnnjax.errors import check, check_choice
from rnnjax.tasks.adding import Adding
from rnnjax.tasks.characters import Characters
from rnnjax.tasks.copy_memory import CopyMemory
from rnnjax.tasks.counting import Counting
from rnnjax.tasks.digits import Digits
from rnnjax.tasks.embedded_reber import EmbeddedReber
from rnnjax.tasks.flip_flop import FlipFlop
from rnnjax.tasks.latch import Latch
from rnnjax.tasks.mnist import MNIST
from rnnjax.tasks.modular_sum import ModularSum
from rnnjax.tasks.noise_free_lag import NoiseFreeLag
from rnnjax.tasks.piano_roll import PianoRoll
from rnnjax.tasks.task import Batch, Task
from rnnjax.tasks.temporal_order import TemporalOrder

__all__ = [
    "MNIST",
    "REGISTRY",
    "Adding",
    "Batch",
    "Characters",
    "CopyMemory",
    "Counting",
    "Digits",
    "EmbeddedReber",
    "FlipFlop",
    "Latch",
    "ModularSum",
    "NoiseFreeLag",
    "PianoRoll",
    "Task",
    "TemporalOrder",
    "get",
]

REGISTRY: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Adding,
        CopyMemory,
        TemporalOrder,
        Latch,
        Digits,
        EmbeddedReber,
        NoiseFreeLag,
        MNIST,
        FlipFlop,
        ModularSum,
        Counting,
    )
}


def get(name: str, **options: Any) -> Task:
    """The task of that name in the registry, with its options.

    Args:
      name: one of `REGISTRY`.
      **options: the fields of the task's class.

    Raises:
      InputError: an unknown name, an option that the task does not have, or a value that it refuses.
    """
    check_choice("name", name, tuple(REGISTRY))
    fields = [field.name for field in dataclasses.fields(REGISTRY[name])]
    for option, given in options.items():
        check(option in fields, option, given, f"an option of the task {name!r}, one of " + ", ".join(fields))
    return REGISTRY[name](**options)
