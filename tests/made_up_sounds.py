"""Small wav files: tones whose pitch is their label, with the names of the Free Spoken Digit Dataset."""

import io
import wave

import numpy as np

RATE = 8000


def tone(label, index, seconds=0.06):
    """A noisy tone of 400 Hz and 500 more for each label, `[samples]` int16; a higher index is a little longer."""
    random = np.random.default_rng((label, index))
    time = np.arange(int((seconds + 0.01 * (index % 3)) * RATE)) / RATE
    sound = 0.5 * np.sin(2 * np.pi * (400 + 500 * label) * time) + 0.05 * random.standard_normal(len(time))
    return np.round(sound * 32767 * 0.9).astype("<i2")


def wav_bytes(samples, rate=RATE, width=2, channels=1):
    """A wav file of samples that are bytes already, or an array of them."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(samples if isinstance(samples, bytes) else samples.tobytes())
    return file.getvalue()


def write_sounds(folder, labels=3, recordings=14):
    """`label_speaker_index.wav`, so many of each label; returns the folder's name."""
    folder.mkdir(exist_ok=True)
    for label in range(labels):
        for index in range(recordings):
            (folder / f"{label}_anna_{index}.wav").write_bytes(wav_bytes(tone(label, index)))
    return str(folder)
