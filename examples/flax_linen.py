"""A cell as a module of Flax Linen, in a model with a dense layer on top.

python examples/flax_linen.py
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

import rnnjax
from rnnjax.adapters.linen import RNN


class Classifier(nn.Module):
    """Whether the first input was positive, from the output of the last step."""

    @nn.compact
    def __call__(self, xs):
        cell = rnnjax.Dropout(rnnjax.GRU(32), recurrent=0.1)
        ys = RNN(cell)(xs)
        return nn.Dense(1)(ys[:, -1])[:, 0]


model = Classifier()
optimizer = optax.adam(3e-3)


def loss(params, key):
    data_key, dropout_key = jax.random.split(key)
    xs = jax.random.normal(data_key, (64, 12, 1))
    logits = model.apply({"params": params}, xs, rngs={"dropout": dropout_key})
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, xs[:, 0, 0] > 0))


@jax.jit
def update(params, opt_state, key):
    value, gradient = jax.value_and_grad(loss)(params, key)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state, value


params = model.init(jax.random.key(0), jnp.zeros((1, 12, 1)))["params"]
print("parameters:", jax.tree.map(jnp.shape, params))
opt_state = optimizer.init(params)
for step, key in enumerate(jax.random.split(jax.random.key(1), 300), start=1):
    params, opt_state, value = update(params, opt_state, key)
    if step in (1, 100, 200, 300):
        print(f"update {step:3}: loss {value:.3f}")
