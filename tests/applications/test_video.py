"""Films of digits: what is seen and asked for, and what a convolutional cell makes of it."""

import jax
import numpy as np
import pytest

from rnnjax import GRU, ConvGRU2D
from rnnjax.applications import Video
from rnnjax.errors import InputError
from rnnjax.training import Config, Optimizer, train

SMALL = {"canvas": 16, "frames": 6, "films": 40}


def test_each_frame_is_asked_for_one_step_later():
    """The targets are the inputs one frame later; the first prediction, before any motion is seen, does not count."""
    video = Video(**SMALL)
    scenes = video.examples("test")[:4]
    batch, films = video.collate(scenes, 5), video.shown(scenes)
    np.testing.assert_array_equal(batch.inputs[..., 0], films[:, :-1])
    np.testing.assert_array_equal(batch.targets[..., 0], films[:, 1:])
    assert batch.mask.tolist() == [[0, 1, 1, 1, 1]] * 4 and batch.inputs.min() >= 0 and batch.inputs.max() <= 1


def test_splits_show_different_films_of_different_images():
    video = Video(**SMALL)
    films = {split: video.shown(video.examples(split)[:20]) for split in ("train", "test")}
    assert not {film.tobytes() for film in films["train"]} & {film.tobytes() for film in films["test"]}
    np.testing.assert_array_equal(films["test"], Video(**SMALL).shown(video.examples("test")[:20]))
    assert [len(video.examples(split)) for split in ("train", "validation", "test")] == [40, 100, 100]


def test_the_baseline_is_the_frame_before():
    """And a model whose outputs were the true frames would have no error."""
    video = Video(**SMALL)
    scenes = video.examples("test")
    films = video.shown(scenes).astype(float)
    np.testing.assert_allclose(video.baseline()["mse"], np.square(films[:, 2:] - films[:, 1:-1]).mean(), rtol=1e-5)
    batch = video.collate(scenes[:3], 5)
    perfect = np.clip(np.log((batch.targets + 1e-7) / (1 - batch.targets + 1e-7)), -40, 40)
    assert max(video.answers(perfect, batch)) < 1e-10
    indifferent = video.answers(np.zeros_like(batch.targets), batch)
    expected = np.square(0.5 - batch.targets[:, 1:]).mean((1, 2, 3, 4))
    np.testing.assert_allclose(indifferent, expected, rtol=1e-5)
    loss = video.loss(np.zeros_like(batch.targets), batch)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-5)  # a mean over 1024 values in float32


def test_a_film_goes_on_and_is_shown():
    """A few updates lower the error; the report shows the film, the model's and the last frame seen."""
    video = Video(**SMALL)
    cell = ConvGRU2D(4)
    config = Config(video, cell, Optimizer("adam", 0.02), steps=16, batch_size=4, evaluate_every=8)
    run = train(config, quiet=True)
    errors = [record["validation"]["mse"] for record in run.records]
    assert errors[1] < errors[0]
    params = jax.tree.map(lambda leaf: leaf[0], run.state.params)
    section = video.figures(video.model(cell), params)[0]
    assert len(section.figures) == 2 and len(section.figures[0][1].axes) == 18
    assert len(section.tables[0][1]) == 3


def test_bad_options_are_named():
    for options in ({"frames": 2}, {"films": 0}, {"patch": 3}, {"window": 0}):
        with pytest.raises(InputError, match=f"^{next(iter(options))}: "):
            Video(**options)
    with pytest.raises(InputError, match=r"^Film\.canvas: "):
        Video(canvas=0)
    with pytest.raises(InputError, match=r"^cell: .*conv_lstm_2d"):
        Video(**SMALL).model(GRU(4))
