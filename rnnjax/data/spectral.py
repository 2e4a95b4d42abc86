"""Spectra of sound as features: log-mel bands and MFCC, pure functions in JAX."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import check, check_choice

Array = jax.Array

SCALES = ("slaney", "htk")
_BREAK = 1000.0  # Hz, up to which Slaney's scale is linear
_LINEAR = 200.0 / 3  # Hz a mel below it
_LOG_STEP = math.log(6.4) / 27  # of the logarithm of the frequency, a mel above it
_SHORTEST = 4096  # samples: sounds are padded to this times a power of two
_AT_A_TIME = 2**20  # samples, padding included


@dataclasses.dataclass(frozen=True)
class LogMel:
    """The logarithm of the power in mel bands, a frame of sound at a time.

        frame_t = w * x[t hop : t hop + size],   S = |DFT(frame_t)|^2 / sum(w)^2,   y = ln(max(S M, floor))

    with the periodic Hann window w and triangular filters M, whose corners lie at equal distances on the mel scale. A
    sine of amplitude a at the middle of a bin has the power a^2 / 4 there.

    Args:
      rate: samples a second.
      frame: length of a frame, in seconds.
      hop: from the start of a frame to that of the next, in seconds.
      bands: number of filters.
      low: where the first filter begins, in Hz.
      high: where the last one ends, in Hz; `None` is half the rate.
      scale: "slaney" is linear up to 1 kHz and logarithmic above, each filter divided by half its width (the Auditory
        Toolbox, Slaney 1998, Interval Research TR 1998-010); "htk" is 2595 log10(1 + f / 700), the filters' peaks at 1
        (the HTK Book, section 5.4; O'Shaughnessy 1987).
      floor: the least power.

    Raises:
      InputError: a number out of range, an unknown scale, or so many bands that one holds no frequency of the DFT.
    """

    rate: int
    _: dataclasses.KW_ONLY
    frame: float = 0.025
    hop: float = 0.010
    bands: int = 40
    low: float = 0.0
    high: float | None = None
    scale: str = "slaney"
    floor: float = 1e-10

    def __post_init__(self):
        name = type(self).__name__
        for field in ("rate", "bands"):
            given = getattr(self, field)
            check(isinstance(given, int) and given > 0, f"{name}.{field}", given, "a positive int")
        check_choice(f"{name}.scale", self.scale, SCALES)
        for field in ("frame", "hop"):
            given = getattr(self, field)
            check(round(given * self.rate) >= 1, f"{name}.{field}", given, f"at least a sample, 1/{self.rate} s")
        check(self.floor > 0, f"{name}.floor", self.floor, "a power > 0")
        top = self.rate / 2
        check(0 <= self.low < top, f"{name}.low", self.low, f"from 0 Hz to below {top:g} Hz, half the rate")
        valid = self.high is None or self.low < self.high <= top
        check(valid, f"{name}.high", self.high, f"None, or above {self.low:g} Hz and up to {top:g} Hz, half the rate")
        empty = ~(mel_filters(self).max(0) > 0)
        expected = f"fewer, or longer frames: band {empty.argmax() + 1} holds none of the frequencies of the DFT"
        check(not empty.any(), f"{name}.bands", self.bands, expected)

    @property
    def size(self) -> int:
        """Samples of a frame."""
        return round(self.frame * self.rate)

    @property
    def step(self) -> int:
        """Samples from the start of a frame to that of the next."""
        return round(self.hop * self.rate)

    @property
    def points(self) -> int:
        """Points of the DFT: the power of two that a frame fits in."""
        return 1 << max(self.size - 1, 0).bit_length()

    @property
    def features(self) -> int:
        """The last axis of what is returned."""
        return self.bands

    def frames(self, samples: int) -> int:
        """How many frames lie in so many samples: those that are full, and one at least."""
        return 1 + max(samples - self.size, 0) // self.step

    def __call__(self, samples: Array) -> Array:
        """`[*batch, samples]`, amplitudes in -1..1, to `[*batch, frames, bands]`.

        Samples beyond the last full frame are left out; a sound that is shorter than a frame is filled up with zeros.
        """
        return jnp.log(jnp.maximum(power_spectrum(self, samples) @ mel_filters(self), self.floor))


@dataclasses.dataclass(frozen=True)
class MFCC:
    """Mel frequency cepstral coefficients: the orthonormal DCT-II of the log-mel bands, its first coefficients.

        c_k = s_k sum_b y_b cos(pi k (b + 1/2) / bands),   s_0 = sqrt(1 / bands), else s_k = sqrt(2 / bands)

    Davis & Mermelstein 1980, doi:10.1109/TASSP.1980.1163420.

    Args:
      mel: the bands.
      coefficients: how many, the one of order 0 included, which is the level.
      orders: how often `deltas` are taken, 0 to 2: each adds as many features.

    Raises:
      InputError: more coefficients than bands, or orders out of range.
    """

    mel: LogMel
    _: dataclasses.KW_ONLY
    coefficients: int = 13
    orders: int = 0

    def __post_init__(self):
        bands, given = self.mel.bands, self.coefficients
        check(isinstance(given, int) and 0 < given <= bands, "MFCC.coefficients", given, f"1 to {bands}, the bands")
        check(self.orders in (0, 1, 2), "MFCC.orders", self.orders, "0, 1 or 2")

    @property
    def features(self) -> int:
        """The last axis of what is returned."""
        return self.coefficients * (1 + self.orders)

    def frames(self, samples: int) -> int:
        """How many frames lie in so many samples."""
        return self.mel.frames(samples)

    def __call__(self, samples: Array) -> Array:
        """`[*batch, samples]` to `[*batch, frames, coefficients * (1 + orders)]`."""
        parts = [self.mel(samples) @ cosines(self.mel.bands, self.coefficients)]
        for _ in range(self.orders):
            parts.append(deltas(parts[-1]))
        return jnp.concatenate(parts, axis=-1)


def power_spectrum(mel: LogMel, samples: Array) -> Array:
    """`[*batch, samples] -> [*batch, frames, points // 2 + 1]`: `|DFT|^2 / sum(w)^2` of windowed frames."""
    window = hann(mel.size)
    spectrum = jnp.fft.rfft(framed(samples, mel.size, mel.step) * window, mel.points)
    return (jnp.square(spectrum.real) + jnp.square(spectrum.imag)) / window.sum() ** 2


def framed(samples: Array, size: int, step: int) -> Array:
    """Frames that overlap: `[*batch, samples] -> [*batch, frames, size]`, one at least, filled up with zeros."""
    samples = jnp.asarray(samples)
    missing = max(size - samples.shape[-1], 0)
    samples = jnp.pad(samples, [(0, 0)] * (samples.ndim - 1) + [(0, missing)])
    count = 1 + (samples.shape[-1] - size) // step
    return samples[..., np.arange(count)[:, None] * step + np.arange(size)]


def hann(size: int) -> np.ndarray:
    """The periodic Hann window, `[size]` float32: `(1 - cos(2 pi n / size)) / 2`."""
    return np.asarray((1 - np.cos(2 * np.pi * np.arange(size) / size)) / 2 if size > 1 else np.ones(1), np.float32)


def deltas(features: Array, width: int = 2) -> Array:
    """Slopes over time, `[*batch, frames, features]` to the same shape; frames beyond an end are that end's.

        d_t = sum_{n=1..width} n (x_{t+n} - x_{t-n}) / (2 sum n^2)

    The HTK Book, equation 5.16.
    """
    time = features.shape[-2]
    places = jnp.arange(time)
    slopes = jnp.zeros_like(features)
    for n in range(1, width + 1):
        ahead, behind = jnp.minimum(places + n, time - 1), jnp.maximum(places - n, 0)
        slopes += n * (features[..., ahead, :] - features[..., behind, :])
    return slopes / (2 * sum(n * n for n in range(1, width + 1)))


def to_mel(hertz: np.ndarray | float, scale: str = "slaney") -> np.ndarray:
    """Frequencies in mel."""
    hertz = np.asarray(hertz, float)
    if scale == "htk":
        return 2595 * np.log10(1 + hertz / 700)
    above = _BREAK / _LINEAR + np.log(np.maximum(hertz, _BREAK) / _BREAK) / _LOG_STEP
    return np.where(hertz < _BREAK, hertz / _LINEAR, above)


def to_hertz(mel: np.ndarray | float, scale: str = "slaney") -> np.ndarray:
    """Mel in Hz: what `to_mel` undoes."""
    mel = np.asarray(mel, float)
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    start = _BREAK / _LINEAR
    return np.where(mel < start, mel * _LINEAR, _BREAK * np.exp(_LOG_STEP * (np.maximum(mel, start) - start)))


@functools.lru_cache(maxsize=8)
def mel_filters(mel: LogMel) -> np.ndarray:
    """The triangles, `[points // 2 + 1, bands]` float32: filter b rises from corner b to b + 1 and falls to b + 2."""
    low, high = to_mel(np.array([mel.low, mel.rate / 2 if mel.high is None else mel.high]), mel.scale)
    corners = to_hertz(np.linspace(low, high, mel.bands + 2), mel.scale)
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    frequencies = np.arange(mel.points // 2 + 1)[:, None] * mel.rate / mel.points
    rising, falling = (frequencies - left) / (middle - left), (right - frequencies) / (right - middle)
    filters = np.maximum(np.minimum(rising, falling), 0)
    if mel.scale == "slaney":
        filters *= 2 / (right - left)
    return filters.astype(np.float32)


@functools.lru_cache(maxsize=8)
def cosines(bands: int, coefficients: int) -> np.ndarray:
    """The first columns of the orthonormal DCT-II, `[bands, coefficients]` float32."""
    order, place = np.arange(coefficients), np.arange(bands)[:, None] + 0.5
    matrix = np.sqrt(2 / bands) * np.cos(np.pi * order * place / bands)
    matrix[:, 0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def of_sounds(transform: LogMel | MFCC, sounds: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The features of sounds `[samples]` that differ in length: `[frames, features]` float32 each.

    They are padded to a few lengths and computed many at a time; what is padded has no effect.
    """
    compiled = jax.jit(transform)
    padded = [_SHORTEST << max(-(-len(sound) // _SHORTEST) - 1, 0).bit_length() for sound in sounds]
    features: list[np.ndarray] = [np.zeros(0)] * len(sounds)
    for length in sorted(set(padded)):
        places = [place for place, found in enumerate(padded) if found == length]
        rows = max(1, min(64, _AT_A_TIME // length))
        for start in range(0, len(places), rows):
            part = places[start : start + rows]
            batch = np.zeros((rows, length), np.float32)
            for row, place in enumerate(part):
                batch[row, : len(sounds[place])] = sounds[place]
            with jax.ensure_compile_time_eval():  # data may be read for the first time while a program is traced
                computed = np.asarray(compiled(batch))
            for row, place in enumerate(part):
                features[place] = computed[row, : transform.frames(len(sounds[place]))]
    return features
