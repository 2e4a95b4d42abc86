"""Frames of music as text: the names of the notes, frames apart by lines."""

from __future__ import annotations

import re

import numpy as np

from rnnjax.errors import InputError

KEYS, LOWEST = 88, 21
"""The keys of a piano, and the MIDI number of the lowest."""

REST = "-"
"""A frame in which nothing sounds."""

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTE = re.compile(r"([A-G])([#b]?)(-?\d)")


def written_notes(frames: np.ndarray) -> str:
    """A line a frame, with the notes from low to high: "C4 E4 G4"; middle C, MIDI number 60, is C4.

    Args:
      frames: `[frames, 88]`, not zero where a note sounds.
    """
    return "\n".join(
        " ".join(note_name(LOWEST + int(key)) for key in np.flatnonzero(frame)) or REST for frame in frames
    )


def note_name(number: int) -> str:
    """The name of a MIDI number, written with sharps."""
    return f"{_NAMES[number % 12]}{number // 12 - 1}"


def read_notes(text: str, argument: str = "prompt") -> np.ndarray:
    """Frames `[frames, 88]` uint8 from text: a line a frame, or `|` between them; notes are names or MIDI numbers.

    Raises:
      InputError: naming the frame, what is no note, or one that a piano does not have.
    """
    lines = [line for line in re.split(r"[|\n]", text) if line.strip()]
    frames = np.zeros((len(lines), KEYS), np.uint8)
    for place, line in enumerate(lines):
        for word in line.split():
            if word == REST:
                continue
            found = _NOTE.fullmatch(word)
            if found:
                number = _STEPS[found[1]] + {"#": 1, "b": -1, "": 0}[found[2]] + 12 * (int(found[3]) + 1)
            else:
                number = int(word) if word.isdecimal() else -1
            if not LOWEST <= number < LOWEST + KEYS:
                expected = "notes from A0 to C8, such as F#4, or MIDI numbers from 21 to 108; - is a rest"
                raise InputError(f"{argument}, frame {place + 1}", word, expected)
            frames[place, number - LOWEST] = 1
    return frames
