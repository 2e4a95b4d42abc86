"""From one vector to a sequence: an image is described, a letter or word at a time."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from rnnjax.cell import Cell
from rnnjax.models.beam import beam_search
from rnnjax.models.decoding import greedy
from rnnjax.models.layers import Embedding
from rnnjax.models.sequence_layer import Blocks, sequence_layer

Array = jax.Array
PyTree = Any


class ImageEncoder(nn.Module):
    """An image as a vector: convolutions of stride 2, and an affine map of what is left.

    The image passes through `self.perturb("features", image)`.

    Attributes:
      features: the width of the vector.
      channels: of each convolution, of 3 by 3 places.
    """

    features: int
    channels: tuple[int, ...] = (16, 32)

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """`[batch, height, width, channels]` to `[batch, features]`."""
        x = self.perturb("features", images)
        for layer, channels in enumerate(self.channels):
            x = nn.relu(nn.Conv(channels, (3, 3), (2, 2), name=f"convolution_{layer}")(x))
        return nn.Dense(self.features, name="projection")(x.reshape(x.shape[0], -1))


class Captioner(nn.Module):
    """A cell that reads an image as its first input, and then its own words: one to many.

        x_0 = encoder(image),   x_t = embedding(word_{t-1}),   logits_t = V cell(x_0 .. x_t) + c

    Vinyals et al. 2015, arXiv:1411.4555. Any cell will do, as its state starts as ever.

    Attributes:
      cell: any cell or wrapper, or `Blocks`; those that are to write need a span, the most words of a caption.
      words: the number of words.
      features: the width of the vectors of image and words.
      channels: of the convolutions over the image.
    """

    cell: Cell | Blocks
    words: int
    features: int = 64
    channels: tuple[int, ...] = (16, 32)

    def setup(self):
        self.encoder = ImageEncoder(self.features, self.channels)
        self.embedding = Embedding(self.words, self.features)
        self.recurrent = sequence_layer(self.cell, name="recurrent")
        self.readout = nn.Dense(self.words)

    def __call__(
        self, inputs: dict[str, Array], lengths: Array | None = None, carry: PyTree | None = None
    ) -> tuple[PyTree, Array]:
        """Runs the model on known words.

        Args:
          inputs: "image" `[batch, height, width, channels]`, and "words" `[batch, time]`: the word before each step,
            the first of which is not looked at.
          lengths: `[batch]`, or `None` where every row is full.
          carry: the state before the first step, or `None`.

        Returns:
          The final carry, and logits `[batch, time, words]`.
        """
        first = self.encode(inputs["image"])[:, None]
        xs = jnp.concatenate([first, self.embedding(inputs["words"][:, 1:])], axis=1)
        carry, ys = self.recurrent(xs, lengths, carry)
        return carry, self.readout(ys)

    def encode(self, images: Array) -> Array:
        """The vectors of images: `[batch, height, width, channels]` to `[batch, features]`."""
        return self.encoder(images)

    def step(self, carry: PyTree, x: Array) -> tuple[PyTree, Array]:
        """One step: the state and `[*batch, features]` to the next state and logits `[*batch, words]`."""
        carry, ys = self.recurrent(x[..., None, :], None, carry)
        return carry, self.readout(ys[..., 0, :])

    def embed(self, words: Array) -> Array:
        """The vectors of words: `[*batch]` to `[*batch, features]`."""
        return self.embedding(words[..., None])[..., 0, :]


def describe(
    model: Captioner, params: PyTree, images: Array, *, end: int, length: int, width: int = 1, penalty: float = 0.0
) -> Array:
    """The words that a model finds for images, by greedy decoding or by beam search. Jittable.

    Args:
      model: a captioner.
      params: its parameters.
      images: `[batch, height, width, channels]`.
      end: the word that ends a caption.
      length: the most words, that one included.
      width: beginnings that the beam keeps; 1 is greedy.
      penalty: exponent of the length penalty of the beam.

    Returns:
      `[batch, length]` int32; what comes after the end means nothing.

    Raises:
      InputError: a length or width below 1.
    """

    def run(method: str, *arguments: Any) -> Any:
        return model.apply({"params": params}, *arguments, method=method)

    vectors = run("encode", images)
    batch = vectors.shape[:1]

    def step(state, word):
        carry, vector, first = state
        carry, logits = run("step", carry, jnp.where(first[..., None], vector, run("embed", word)))
        return (carry, vector, jnp.zeros_like(first)), logits

    start = (model.cell.initial_carry(batch), vectors, jnp.ones(batch, bool))
    word = jnp.zeros(batch, jnp.int32)
    if width == 1:
        return greedy(step, start, word, length, end=end)[1]
    found = beam_search(step, start, word, end=end, length=length, width=width, penalty=penalty)
    return found.tokens[:, 0]
