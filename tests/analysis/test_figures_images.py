"""Figures of images and of recognised speech: what is drawn, and what is refused."""

import numpy as np
import pytest

from rnnjax.analysis import style
from rnnjax.analysis.figures_images import captions_figure, frames_figure
from rnnjax.analysis.figures_speech import alignment_figure
from rnnjax.errors import InputError

IMAGES = np.random.default_rng(0).random((8, 5, 4))


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_each_image_has_its_caption():
    """One axes an image; where the caption is wrong the right one is there too."""
    said = list("abcdefgh")
    figure = captions_figure(IMAGES, said, [*"abcdefg", "x"])
    labels = [axes.get_xlabel() for axes in shown(figure)]
    assert labels == [*"abcdefg", "h\n(x)"]
    assert all(f">{text}<" in style.svg(figure) for text in ("a", "h", "(x)"))
    assert len(shown(captions_figure(np.zeros((1, 4, 4, 3)), ["blank"], title="none"))) == 1
    for images, texts in ((IMAGES, ["a"]), (IMAGES[:0], []), (IMAGES[0], ["a"] * 5)):
        with pytest.raises(InputError):
            captions_figure(images, texts)


def test_films_are_rows_and_empty_frames_stay_empty():
    """A frame of NaN draws nothing; the first row numbers the frames."""
    other = IMAGES.copy()
    other[:3] = np.nan
    figure = frames_figure({"film": IMAGES, "model": other}, first=4, title="on")
    assert [len(axes.images) for axes in figure.axes] == [1] * 8 + [0] * 3 + [1] * 5
    assert [axes.get_title() for axes in figure.axes[:8]] == [str(number) for number in range(4, 12)]
    for films in ({}, {"a": IMAGES, "b": IMAGES[:2]}, {"a": IMAGES[0]}):
        with pytest.raises(InputError):
            frames_figure(films)


def test_letters_are_named_at_their_peaks():
    """A letter heard twice is named twice, one that is never likely not at all."""
    shares = np.zeros((10, 4))
    shares[:, 0] = 1
    for frame, letter in ((2, 1), (5, 2), (8, 1)):
        shares[frame] = np.eye(4)[letter]
    figure = alignment_figure(np.random.default_rng(0).random((10, 6)), shares, ["e", "n", "q"], 0.01)
    below = figure.axes[1]
    assert [text.get_text() for text in below.texts] == ["e", "e", "n"]
    assert len(below.lines) == 2 and below.get_xlim() == (0, 0.1)
    for arguments in ((np.zeros((0, 6)), shares, "enq"), (np.zeros((10, 6)), shares, "en")):
        with pytest.raises(InputError):
            alignment_figure(*arguments, 0.01)
