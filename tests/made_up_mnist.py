"""Small files in the formats of MNIST: images whose bytes and labels are drawn from a seed."""

import gzip
import struct

import numpy as np

SIZES = {"train": 60, "t10k": 20}


def images_and_labels(part, seed=0):
    """`[n, 28, 28]` bytes and `[n]` labels of a part of the files; every label occurs."""
    random, count = np.random.RandomState(seed + len(part)), SIZES[part]
    return random.randint(0, 256, (count, 28, 28), np.uint8), random.permutation(np.arange(count) % 10).astype(np.uint8)


def idx(array):
    """An array of bytes as an idx file."""
    return struct.pack(f">{1 + array.ndim}I", 2048 + array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, packed=True):
    """The four files of the original distribution; returns the folder's name."""
    for part in SIZES:
        for kind, array in zip(("images-idx3", "labels-idx1"), images_and_labels(part), strict=True):
            name, text = f"{part}-{kind}-ubyte", idx(array)
            (folder / (name + ".gz" if packed else name)).write_bytes(gzip.compress(text) if packed else text)
    return str(folder)


def write_npz(folder):
    """The one file in which Keras hands MNIST out; returns the folder's name."""
    (x_train, y_train), (x_test, y_test) = (images_and_labels(part) for part in SIZES)
    np.savez(folder / "mnist.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return str(folder)
