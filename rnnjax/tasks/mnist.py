"""MNIST, read pixel by pixel or row by row: from the files as they are distributed."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from rnnjax.errors import check
from rnnjax.tasks.folds import Fold
from rnnjax.tasks.images import ImageTask
from rnnjax.tasks.mnist_files import SIDE, read
from rnnjax.tasks.task import Array

_PERMUTATION_SEED = 92916


@dataclasses.dataclass(frozen=True)
class MNIST(ImageTask):
    """Which digit is it? 70,000 grey images of 28 by 28 pixels, ten classes, as sequences.

    | order | steps | features |
    |---|---|---|
    | `pixel` | 784, left to right and top to bottom | 1 |
    | `row` | 28, top to bottom | 28 |

    The files are not part of the library: `data` names the folder that holds them, either the four of the original
    distribution (`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`,
    `t10k-labels-idx1-ubyte`, each as it is or with the ending `.gz`) or `mnist.npz` with the arrays `x_train`,
    `y_train`, `x_test` and `y_test`. They are read when the first batch is drawn.

    Grey values are scaled from 0..255 to [0, 1]. Of the training images the last twentieth is held out: 57,000 images
    for training, 3000 for validation, 10,000 for the test, sizes as in the code of Rusch et al. 2022,
    arXiv:2110.04744, which draws the 3000 at random. `sample` draws with replacement from a split; `evaluation` gives
    a split whole. Pixels stay bytes until they are drawn.

    Loss: cross-entropy in nats.

    Baseline, "memoryless" meaning a predictor that ignores the inputs: ln 10. The classes are almost but not exactly
    balanced; to know their frequencies saves less than 0.002 nats. (In pixel order the last pixel is blank in nearly
    all images, so that the last input tells nothing.)

    Solved: accuracy >= 0.95, a choice of this library.

    Args:
      data: the folder with the files.
      order: `pixel` or `row`.
      permuted: for `pixel`: show the pixels in one fixed random order, the same for all images. It is that of the code
        of Lezcano-Casado & Martinez-Rubio 2019, arXiv:1901.08428 (NumPy's `RandomState(92916)`); other papers drew
        others.
      fold: `(2, 5)` is the third of five folds of cross-validation over what is training and validation otherwise:
        validation is the fold, training the others. The test stays as it is.

    Raises:
      InputError: an unknown order, `permuted` that is not a bool or with `order="row"`, or a fold that there is not;
        where data is drawn, a folder without the files, or a file that is not what it should be.

    Source: LeCun et al. 1998, doi:10.1109/5.726791; pixel by pixel and permuted: Le, Jaitly & Hinton 2015,
    arXiv:1504.00941.
    """

    name: ClassVar[str] = "mnist"
    source: ClassVar[str] = (
        "LeCun et al. 1998, doi:10.1109/5.726791; as sequences Le, Jaitly & Hinton 2015, arXiv:1504.00941"
    )
    side: ClassVar[int] = SIDE
    enough: ClassVar[float] = 0.95

    data: str = ""
    order: str = "pixel"
    permuted: bool = False
    fold: Fold | None = None

    def __post_init__(self):
        check(isinstance(self.data, str), "MNIST.data", self.data, "the path of a folder, as a string")
        super().__post_init__()

    def read(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        return read(self.data)[split]

    def shown(self, images: Array) -> Array:
        if self.permuted:
            images = images[:, np.random.RandomState(_PERMUTATION_SEED).permutation(SIDE * SIDE)]
        return images.astype(jnp.float32).reshape(-1, self.time, self.in_features) / 255
