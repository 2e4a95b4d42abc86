"""Log-mel bands and MFCC, against SciPy's spectra and cosine transform, and a mel matrix written out."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from rnnjax.data.spectral import MFCC, LogMel, deltas, hann, mel_filters, of_sounds, power_spectrum, to_hertz, to_mel
from rnnjax.errors import InputError

MEL = LogMel(8000, bands=24, floor=1e-12)
SOUND = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32) * 0.1


@functools.lru_cache
def compiled(transform):
    return jax.jit(transform)


def test_power_is_that_of_scipy():
    """The squared magnitude of SciPy's short-time Fourier transform, frame by frame."""
    _, _, spectrum = scipy.signal.stft(
        SOUND.astype(float),
        window="hann",
        nperseg=MEL.size,
        noverlap=MEL.size - MEL.step,
        nfft=MEL.points,
        boundary=None,
        padded=False,
        scaling="spectrum",
    )
    expected = np.abs(np.swapaxes(spectrum, -1, -2)) ** 2
    np.testing.assert_allclose(power_spectrum(MEL, SOUND), expected, rtol=2e-3, atol=1e-9)
    np.testing.assert_allclose(hann(200), scipy.signal.get_window("hann", 200), atol=1e-7)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
def test_filters_are_triangles_between_equal_steps_of_mel(scale):
    """The matrix written out, filter by filter."""
    mel = dataclasses.replace(MEL, scale=scale, low=100.0, high=3500.0)
    ends = [float(to_mel(frequency, scale)) for frequency in (100.0, 3500.0)]
    corners = [float(to_hertz(ends[0] + (ends[1] - ends[0]) * i / 25, scale)) for i in range(26)]
    expected = np.zeros((129, 24))
    for band in range(24):
        left, middle, right = corners[band : band + 3]
        for place in range(129):
            frequency = place * 8000 / 256
            if left < frequency <= middle:
                expected[place, band] = (frequency - left) / (middle - left)
            elif middle < frequency < right:
                expected[place, band] = (right - frequency) / (right - middle)
        expected[:, band] *= 2 / (right - left) if scale == "slaney" else 1
    np.testing.assert_allclose(mel_filters(mel), expected, rtol=1e-5, atol=1e-7)


def test_scales_are_those_of_their_sources():
    """HTK: 1000 Hz is 1000 mel, nearly. Slaney: 15 mel at 1 kHz, 27 more at 6.4 kHz. Both are undone exactly."""
    assert math.isclose(to_mel(1000, "htk"), 1000, rel_tol=1e-4)
    np.testing.assert_allclose(to_mel([0, 500, 1000, 6400]), [0, 7.5, 15, 42], rtol=1e-9)
    for scale in ("slaney", "htk"):
        frequencies = np.linspace(0, 8000, 41)
        np.testing.assert_allclose(to_hertz(to_mel(frequencies, scale), scale), frequencies, rtol=1e-9, atol=1e-9)


def test_log_mel_is_the_logarithm_of_filtered_power():
    bands = np.asarray(power_spectrum(MEL, SOUND), float) @ mel_filters(MEL)
    np.testing.assert_allclose(compiled(MEL)(SOUND), np.log(np.maximum(bands, 1e-12)), rtol=1e-4, atol=1e-4)


def test_a_tone_is_heard_in_its_band():
    """A sine at the middle of a filter is loudest there; twice the amplitude is ln 4 more; silence is the floor."""
    ends = to_mel(np.array([0.0, 4000.0]))
    middle = float(to_hertz(ends[0] + (ends[1] - ends[0]) * 16 / 25))
    tone = 0.1 * np.sin(2 * np.pi * middle * np.arange(1000) / 8000).astype(np.float32)
    quiet, loud = compiled(MEL)(np.stack([tone, 2 * tone]))
    assert (np.argmax(quiet, -1) == 15).all()
    np.testing.assert_allclose(loud[:, 15] - quiet[:, 15], math.log(4), rtol=1e-4)
    np.testing.assert_allclose(compiled(MEL)(np.zeros((2, 1000), np.float32)), math.log(1e-12), rtol=1e-5)


def test_cepstra_are_scipys_cosine_transform():
    mfcc = MFCC(MEL, coefficients=10, orders=2)
    found = np.asarray(compiled(mfcc)(SOUND))
    bands = np.asarray(compiled(MEL)(SOUND), float)
    expected = scipy.fft.dct(bands, type=2, norm="ortho")[..., :10]
    np.testing.assert_allclose(found[..., :10], expected, rtol=1e-3, atol=1e-3)
    assert found.shape == (2, MEL.frames(1000), 30) and mfcc.features == 30
    np.testing.assert_allclose(found[..., 10:20], deltas(found[..., :10]), rtol=1e-4, atol=1e-4)


def test_deltas_are_slopes():
    """Of a straight line its slope, away from the ends; of a constant zero everywhere."""
    line = np.arange(9.0)[:, None] * np.array([1.0, -3.0])
    np.testing.assert_allclose(deltas(line)[2:-2], np.broadcast_to([1.0, -3.0], (5, 2)), rtol=1e-6)
    np.testing.assert_allclose(deltas(np.ones((5, 2))), 0)


def test_sounds_of_any_length_are_those_alone():
    """Padded together and cut again, the features are those of each sound by itself; a short one has one frame."""
    long = np.random.default_rng(1).standard_normal(9000).astype(np.float32)
    sounds = [SOUND[0, :1000], SOUND[0, :30], long, SOUND[0, :200], SOUND[1, :799]]
    found = of_sounds(MEL, sounds)
    assert [len(part) for part in found] == [MEL.frames(len(sound)) for sound in sounds] == [11, 1, 111, 1, 8]
    for part, sound in zip(found, sounds, strict=True):
        np.testing.assert_allclose(part, compiled(MEL)(sound), rtol=1e-3, atol=1e-3)


def test_sounds_are_read_while_a_program_is_traced():
    """Features are arrays there too, and not a part of the program."""
    outside = of_sounds(MEL, [SOUND[0]])[0]
    inside = jax.jit(lambda: jax.numpy.asarray(of_sounds(MEL, [SOUND[0]])[0]))()
    np.testing.assert_allclose(inside, outside, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"rate": 0}, "rate"),
        ({"bands": 200}, "bands"),
        ({"frame": 0.00001}, "frame"),
        ({"low": 4000.0}, "low"),
        ({"high": 5000.0}, "high"),
        ({"scale": "bark"}, "scale"),
        ({"floor": 0.0}, "floor"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError, match=rf"^LogMel\.{argument}: "):
        LogMel(**{"rate": 8000, **options})


def test_bad_coefficients_are_named():
    for options in ({"coefficients": 25}, {"orders": 3}):
        with pytest.raises(InputError, match=r"^MFCC\."):
            MFCC(MEL, **options)
