"""A long text as streams side by side, of which each update sees the next window."""

from __future__ import annotations

import dataclasses

import numpy as np

from rnnjax.errors import check


@dataclasses.dataclass(frozen=True)
class Streams:
    """Where the tokens of each update stand in a text, for every update of an endless training.

    The text is cut into `rows` streams of the same length. Update i sees the next `window` tokens of each, and the one
    after them. At the end of the streams they are cut anew, up to a window further on: where, is drawn for each epoch
    from the seed, so that windows do not begin at the same tokens in every epoch. What does not fill a window is left
    out, another part in each epoch.

    Args:
      count: tokens of the text.
      rows: streams.
      window: tokens of an update.
      seed: of the beginnings.

    Raises:
      InputError: a text too short for one window in each stream.
    """

    count: int
    rows: int
    window: int
    seed: int = 0

    def __post_init__(self):
        most = max((self.count - self.window) // self.window, 0)
        expected = f"at most {most} rows of {self.window} tokens, with {self.count} to train on"
        check(self.rows >= 1 and self._span >= self.window, "batch_size", self.rows, expected)

    @property
    def epoch(self) -> int:
        """The number of updates before the streams are cut anew."""
        return self._span // self.window

    @property
    def _span(self) -> int:
        """The length of a stream, with room for a beginning further on and for the last target."""
        return (self.count - self.window) // self.rows

    def __getitem__(self, update: int) -> np.ndarray:
        """Places in the text, `[rows, window + 1]`: the tokens, and one more, which is the last target."""
        epoch, place = divmod(update, self.epoch)
        start = np.random.default_rng((self.seed, epoch)).integers(self.window)
        first = start + place * self.window + np.arange(self.rows) * self._span
        return first[:, None] + np.arange(self.window + 1)
