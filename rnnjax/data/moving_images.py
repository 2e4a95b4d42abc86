"""Films of images that fly about and bounce off the walls: moving MNIST, from whatever images there are."""

from __future__ import annotations

import dataclasses

import numpy as np

from rnnjax.errors import check


@dataclasses.dataclass(frozen=True)
class Film:
    """How films are made of images.

    Each film shows a few images, drawn with replacement, at positions drawn evenly. Each flies in a direction drawn
    evenly from all, as many places a frame as the speed says, and is reflected where it would leave the canvas.
    Positions are real numbers, rounded for showing; where images overlap the brighter value is seen. (Srivastava,
    Mansimov & Salakhutdinov 2015, arXiv:1502.04681, made such films of MNIST on a canvas of 64.)

    Args:
      canvas: places along each side.
      objects: images in a film.
      frames: of a film.
      speed: places a frame.

    Raises:
      InputError: a number out of range.
    """

    canvas: int = 32
    objects: int = 2
    frames: int = 12
    speed: float = 2.0

    def __post_init__(self):
        for field in ("canvas", "objects", "frames"):
            given = getattr(self, field)
            check(isinstance(given, int) and given > 0, f"Film.{field}", given, "a positive int")
        check(0 <= self.speed < self.canvas, "Film.speed", self.speed, f"from 0 to below {self.canvas}, the canvas")

    def shoot(self, images: np.ndarray, seed: int | tuple[int, ...]) -> np.ndarray:
        """The film of a seed: `[frames, canvas, canvas]` float32, from images `[images, height, width]`.

        Raises:
          InputError: no images, or images that are larger than the canvas.
        """
        fits = images.ndim == 3 and len(images) > 0 and max(images.shape[1:]) <= self.canvas
        check(fits, "images", f"shape {images.shape}", f"[images, height, width], within a canvas of {self.canvas}")
        random = np.random.default_rng(seed)
        film = np.zeros((self.frames, self.canvas, self.canvas), np.float32)
        room = self.canvas - np.array(images.shape[1:])
        for place in random.integers(len(images), size=self.objects):
            start, angle = random.random(2) * room, 2 * np.pi * random.random()
            path = start + np.arange(self.frames)[:, None] * self.speed * np.array([np.sin(angle), np.cos(angle)])
            for frame, (top, left) in zip(film, np.rint(reflected(path, room)).astype(int), strict=True):
                part = frame[top : top + images.shape[1], left : left + images.shape[2]]
                np.maximum(part, images[place], out=part)
        return film


def reflected(path: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Positions folded back into 0..room, as a mirror at either end does; `room` may be 0."""
    period = np.maximum(2 * room, 1e-9)
    folded = np.mod(path, period)
    return np.where(room > 0, np.minimum(folded, period - folded), 0.0)


def halved(images: np.ndarray) -> np.ndarray:
    """Images of half the size: the means of 2 by 2 places, `[images, h, w] -> [images, h // 2, w // 2]` float32."""
    height, width = (length // 2 for length in images.shape[1:])
    even = images[:, : 2 * height, : 2 * width].astype(np.float32)
    return even.reshape(len(images), height, 2, width, 2).mean((2, 4))
