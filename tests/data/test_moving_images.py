"""Films of images that fly about: where they are, how they bounce, and that a film is a function of its seed."""

import numpy as np
import pytest

from rnnjax.data.moving_images import Film, halved, reflected
from rnnjax.errors import InputError

DOT = np.ones((1, 1, 1), np.float32)


def places(film):
    """The place of the one dot in each frame, `[frames, 2]`."""
    return np.array([np.argwhere(frame)[0] for frame in film])


def test_a_film_is_a_function_of_its_seed():
    images = np.random.default_rng(0).random((5, 4, 3)).astype(np.float32)
    film = Film(canvas=12, frames=6)
    one, again, other = film.shoot(images, (0, 3)), film.shoot(images, (0, 3)), film.shoot(images, (1, 3))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (6, 12, 12) and one.dtype == np.float32 and not np.array_equal(one, other)


@pytest.mark.parametrize("seed", range(5))
def test_an_image_moves_evenly_and_stays_inside(seed):
    """A dot keeps its speed between walls; every image is seen whole in every frame."""
    film = Film(canvas=20, objects=1, frames=40, speed=2.0).shoot(DOT, seed)
    assert (film.sum((1, 2)) == 1).all()
    track = places(film)
    inner = ((track > 2) & (track < 17)).all(1)
    steps = np.diff(track, axis=0)[inner[1:] & inner[:-1]]
    assert len(steps) > 3
    assert (np.abs(np.linalg.norm(steps, axis=1) - 2.0) <= np.sqrt(2)).all()  # positions are rounded
    assert np.ptp(track, axis=0).max() > 10


def test_positions_are_those_of_a_mirror():
    """Folding equals the ball that turns round at each wall."""
    room, position, velocity, expected = 7.0, 3.0, 1.6, []
    for _ in range(30):
        expected.append(position)
        position += velocity
        if not 0 <= position <= room:
            position, velocity = (-position if position < 0 else 2 * room - position), -velocity
    np.testing.assert_allclose(reflected(3.0 + 1.6 * np.arange(30), np.array(room)), expected, atol=1e-9)
    assert reflected(np.array([-3.0, 5.0]), np.array(0)).tolist() == [0, 0]


def test_of_images_that_overlap_the_brighter_is_seen():
    """Two images as large as the canvas are always on top of each other."""
    images = np.random.default_rng(0).random((2, 4, 4)).astype(np.float32)
    shown = {Film(canvas=4, frames=1).shoot(images, seed)[0].tobytes() for seed in range(20)}
    assert shown == {part.tobytes() for part in (images[0], images[1], np.maximum(*images))}


def test_halving_takes_means():
    images = np.arange(20, dtype=np.uint8).reshape(1, 4, 5)
    np.testing.assert_array_equal(halved(images), [[[3, 5], [13, 15]]])


def test_bad_options_are_named():
    for options in ({"canvas": 0}, {"objects": 0}, {"frames": 1.5}, {"speed": -1.0}, {"speed": 32.0}):
        with pytest.raises(InputError, match=rf"^Film\.{next(iter(options))}: "):
            Film(**options)
    for images in (np.ones((1, 40, 2)), np.ones((0, 2, 2)), np.ones((2, 2))):
        with pytest.raises(InputError, match=r"^images: "):
            Film().shoot(images, 0)
