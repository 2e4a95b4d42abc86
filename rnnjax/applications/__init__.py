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
from rnnjax.applications.caption import Caption
from rnnjax.applications.forecast import Forecast
from rnnjax.applications.language_model import LanguageModeling
from rnnjax.applications.music import Music
from rnnjax.applications.names import Names
from rnnjax.applications.pixels import Pixels
from rnnjax.applications.retrieve import Retrieve
from rnnjax.applications.sentiment import Sentiment
from rnnjax.applications.speech import Speech
from rnnjax.applications.tag import Tag
from rnnjax.applications.translate import Translate
from rnnjax.applications.video import Video
from rnnjax.errors import check, check_choice

__all__ = [
    "REGISTRY",
    "Application",
    "Caption",
    "Evaluation",
    "Forecast",
    "LanguageModeling",
    "Laptop",
    "Music",
    "Names",
    "Pixels",
    "Retrieve",
    "Sentiment",
    "Speech",
    "Tag",
    "Translate",
    "Video",
    "get",
]

REGISTRY: dict[str, type[Application]] = {
    application.name: application
    for application in (
        Caption,
        Forecast,
        LanguageModeling,
        Music,
        Names,
        Pixels,
        Retrieve,
        Sentiment,
        Speech,
        Tag,
        Translate,
        Video,
    )
}


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
