"""Tasks on real data, each with its reader, its model made of any cell, its score and its plain baseline.

```python
application = rnnjax.applications.get("names", data="names/")
config = rnnjax.training.Config(application, rnnjax.GRU(128), steps=2000)
run = rnnjax.training.train(config, out="runs/names")
```
"""

from __future__ import annotations

import dataclasses
from typing import Any

from rnnjax.applications.application import Application, Evaluation, Laptop
from rnnjax.errors import check, check_choice

__all__ = [
    "REGISTRY",
    "Application",
    "Evaluation",
    "Laptop",
    "get",
]

REGISTRY: dict[str, type[Application]] = {application.name: application for application in ()}


def get(name: str, **options: Any) -> Application:
    """The application of that name in the registry, with its options.

    Args:
      name: one of `REGISTRY`.
      **options: the fields of the application's class.

    Raises:
      InputError: an unknown name, an option that the application does not have, or a value that it refuses.
    """
    check_choice("name", name, tuple(REGISTRY))
    fields = [field.name for field in dataclasses.fields(REGISTRY[name])]
    for option, given in options.items():
        check(option in fields, option, given, f"an option of the application {name!r}, one of " + ", ".join(fields))
    return REGISTRY[name](**options)
