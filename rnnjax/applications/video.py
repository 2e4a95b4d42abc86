"""Films: what does the next frame show?"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax.applications import pictures
from rnnjax.applications.application import SPLITS, Laptop
from rnnjax.applications.network import Networked
from rnnjax.cell import Cell
from rnnjax.data.moving_images import Film, halved
from rnnjax.errors import check, check_choice
from rnnjax.models.frame_predictor import FramePredictor, roll_out
from rnnjax.report import Section
from rnnjax.tasks import Batch
from rnnjax.tasks.losses import masked_mean

Array = jax.Array
PyTree = Any


class Scene(NamedTuple):
    """An example: a film that is made when it is asked for.

    Attributes:
      split: whose images it shows.
      number: which film of that split.
    """

    split: str
    number: int


@dataclasses.dataclass(frozen=True)
class Video(Networked):
    """The next frame of films in which images of digits fly about and bounce off the walls.

    Films are made of the images in `data` or `tfds`, read as for `rnnjax.applications.pixels.Pixels`, or of the digits
    that come with scikit-learn; each split of its own images. `rnnjax.data.moving_images.Film` says how. Images that
    take more than half of the canvas are halved in size first: digits of 28 places become 14 on a canvas of 32. A film
    follows from its split and number.

    Each frame from the second on is predicted from those before it; frames from the third on count, as one frame shows
    no motion. Loss: the cross-entropy of grey values in 0..1 against the predicted ones, in nats a place. Metric:
    "mse", the mean squared error of a place. Baseline: the frame before.

    Args:
      canvas: places along each side of a frame.
      objects: images in a film.
      frames: of a film.
      speed: places that an image moves in a frame.
      films: how many there are to train on; a tenth as many for validation and test, 100 at least.
      patch: side of the squares that become channels before the cell.
      window: places along each side of the last convolution's window.

    Raises:
      InputError: a field out of range; where data are read, files that are not what they should be, by name.

    Source: Srivastava, Mansimov & Salakhutdinov 2015, arXiv:1502.04681; Shi et al. 2015, arXiv:1506.04214.
    """

    name: ClassVar[str] = "video"
    source: ClassVar[str] = "Srivastava et al. 2015, arXiv:1502.04681; Shi et al. 2015, arXiv:1506.04214"
    metric: ClassVar[str] = "mse"
    mode: ClassVar[Literal["min", "max"]] = "min"
    laptop: ClassVar[Laptop] = Laptop(
        cell="conv_lstm_2d",
        hidden=32,
        steps=1000,
        batch_size=8,
        evaluate_every=250,
        optimizer={"learning_rate": 3e-3, "schedule": "cosine", "clip": "norm"},
    )

    _: dataclasses.KW_ONLY
    canvas: int = 32
    objects: int = 2
    frames: int = 12
    speed: float = 2.0
    films: int = 4000
    patch: int = 4
    window: int = 3

    def __post_init__(self):
        super().__post_init__()
        self.film()
        for field, least in (("frames", 3), ("films", 1), ("patch", 1), ("window", 1)):
            given = getattr(self, field)
            check(given >= least, field, given, f"an int of at least {least}")
        check(self.canvas % self.patch == 0, "patch", self.patch, f"a divisor of {self.canvas}, the canvas")

    def film(self) -> Film:
        """How films are made."""
        return Film(self.canvas, self.objects, self.frames, self.speed)

    def fit_data(self) -> dict[str, Any]:
        return {"scale": pictures.fit(self.data, self.tfds, self.data_dir)["scale"]}

    def examples(self, split: str) -> Sequence[Scene]:
        check_choice("split", split, SPLITS)
        count = self.films if split == "train" else max(self.films // 10, 100)
        return [Scene(split, number) for number in range(count)]

    def shown(self, scenes: Sequence[Scene]) -> np.ndarray:
        """The films of examples: `[films, frames, canvas, canvas]` float32 in 0..1."""
        film = self.film()
        return np.stack(
            [film.shoot(_images(self, scene.split), (SPLITS.index(scene.split), scene.number)) for scene in scenes]
        )

    def length(self, example: Scene) -> int:
        del example
        return self.frames - 1

    def collate(self, examples: list[Scene], time: int) -> Batch:
        films = self.shown(examples)[..., None]
        mask = np.ones((len(films), time), np.float32)
        mask[:, 0] = 0
        arrays: tuple[Any, ...] = (films[:, :-1], films[:, 1:], mask, np.full(len(films), time, np.int32))
        return Batch(*arrays)

    def model(self, cell: Cell) -> FramePredictor:
        network = self.sequence_network(cell, self.frames)
        if network is cell:
            check(cell.spatial_axes == 2, "cell", cell, "a cell on images, such as conv_lstm_2d or conv_gru_2d")
        return FramePredictor(network, patch=self.patch, window=self.window)

    def loss(self, outputs: Array, batch: Batch) -> Array:
        costs = optax.sigmoid_binary_cross_entropy(
            outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32)), batch.targets
        )
        return masked_mean(costs.mean((-3, -2, -1)), batch.mask)

    def answers(self, outputs: Array, batch: Batch) -> list[float]:
        """The mean squared error of each film's frames that count: whole films would be many numbers."""
        predicted = 1 / (1 + np.exp(-np.asarray(outputs, np.float64)))
        errors = np.square(predicted - np.asarray(batch.targets)).mean((-3, -2, -1))
        return errors[:, 1:].mean(1).tolist()

    def score(self, answers: list[float], examples: Sequence[Scene]) -> dict[str, float]:
        del examples
        return {"mse": float(np.mean(answers))}

    def baseline(self, split: str = "test") -> dict[str, float]:
        errors = []
        for scene in self.examples(split):
            film = self.shown([scene])[0].astype(np.float64)
            errors.append(np.square(film[2:] - film[1:-1]).mean())
        return {"mse": float(np.mean(errors))}

    def figures(self, model: nn.Module, params: PyTree) -> tuple[Section, ...]:
        from rnnjax.analysis.figures_images import frames_figure

        seen, scenes = self.frames // 2, self.examples("test")[:2]
        films = self.shown(scenes)
        made = np.asarray(_rolled(model, self.frames - seen)(params, films[:, :seen, ..., None]))[..., 0]
        figures = []
        for film, rest in zip(films, made, strict=True):
            empty = np.full_like(film[:seen], np.nan)
            rows = {"film": film, "model": np.concatenate([empty, rest])}
            rows["last seen"] = np.concatenate([empty, np.repeat(film[seen - 1 : seen], len(rest), 0)])
            caption = f"The model goes on by itself from frame {seen + 1}, after it has seen {seen}."
            figures.append((caption, frames_figure(rows)))
        errors = [np.square(part - films[:, seen:]).mean((0, 2, 3)) for part in (made, films[:, seen - 1 : seen])]
        header = ("frames ahead", "model", "last seen")
        table = [[str(place + 1), *(f"{error[place]:.4f}" for error in errors)] for place in range(len(errors[0]))]
        text = "Mean squared errors in the films that are shown, several frames ahead."
        return (Section("Films that the model goes on with", text, tuple(figures), ((header, table),)),)


@functools.lru_cache(maxsize=8)
def _rolled(model: Any, count: int) -> Any:
    return jax.jit(lambda params, frames: roll_out(model, params, frames, count))


@functools.lru_cache(maxsize=12)
def _images(application: Video, split: str) -> np.ndarray:
    """The images of a split, `[images, height, width]` in 0..1, halved until they take half of the canvas at most."""
    found = pictures.read(application.data, application.tfds, application.data_dir)[split].pixels
    images = pictures.scaled(found, application.fitted()["scale"]).mean(-1)
    while max(images.shape[1:]) > application.canvas // 2:
        images = halved(images)
    return np.clip(images, 0, 1)
