"""A cell as a module of Flax NNX, in a model with a linear layer on top.

python examples/flax_nnx.py
"""

import jax
import jax.numpy as jnp
import optax
from flax import nnx

import rnnjax
from rnnjax.adapters.nnx import RNN


class Classifier(nnx.Module):
    """Whether the first input was positive, from the outputs of both directions."""

    def __init__(self, rngs):
        cell = rnnjax.JANET(16)
        self.rnn = nnx.Bidirectional(RNN(cell, 1, rngs=rngs), RNN(cell, 1, rngs=rngs))
        self.readout = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, xs):
        return self.readout(self.rnn(xs)[:, -1])[:, 0]


@nnx.jit
def update(model, optimizer, key):
    def loss(model):
        xs = jax.random.normal(key, (64, 12, 1))
        return jnp.mean(optax.sigmoid_binary_cross_entropy(model(xs), xs[:, 0, 0] > 0))

    value, gradients = nnx.value_and_grad(loss)(model)
    optimizer.update(model, gradients)
    return value


model = Classifier(nnx.Rngs(0))
optimizer = nnx.Optimizer(model, optax.adam(3e-3), wrt=nnx.Param)
print("parameters:", sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))))
for step, key in enumerate(jax.random.split(jax.random.key(1), 300), start=1):
    value = update(model, optimizer, key)
    if step in (1, 100, 200, 300):
        print(f"update {step:3}: loss {value:.3f}")
