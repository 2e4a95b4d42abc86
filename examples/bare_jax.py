"""A cell in a program of one's own: the loss, the readout and the loop are plain JAX and Optax.

The network reads twelve random numbers and has to say at the end whether the first was positive.

    python examples/bare_jax.py
"""

import jax
import jax.numpy as jnp
import optax

import rnnjax

cell = rnnjax.LSTM(32)
optimizer = optax.adam(3e-3)


def init(key):
    cell_key, readout_key = jax.random.split(key)
    return {
        "cell": cell.init(cell_key, in_features=1),
        "readout": 0.1 * jax.random.normal(readout_key, (cell.output_features,)),
    }


def batch(key):
    xs = jax.random.normal(key, (64, 12, 1))
    return xs, xs[:, 0, 0] > 0


def loss(params, xs, labels):
    _, ys = rnnjax.unroll(cell, params["cell"], xs)
    logits = ys[:, -1] @ params["readout"]
    accuracy = jnp.mean((logits > 0) == labels)
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, labels)), accuracy


@jax.jit
def update(state, key):
    params, opt_state = state
    (value, accuracy), gradient = jax.value_and_grad(loss, has_aux=True)(params, *batch(key))
    updates, opt_state = optimizer.update(gradient, opt_state)
    return (optax.apply_updates(params, updates), opt_state), (value, accuracy)


params = init(jax.random.key(0))
state = params, optimizer.init(params)
for step, key in enumerate(jax.random.split(jax.random.key(1), 300), start=1):
    state, (value, accuracy) = update(state, key)
    if step in (1, 100, 200, 300):
        print(f"update {step:3}: loss {value:.3f}, accuracy {accuracy:.2f}")
