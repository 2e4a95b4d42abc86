"""A cell as a module of Equinox, in a model with a linear layer on top.

python examples/equinox_model.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import rnnjax
from rnnjax.adapters.equinox import RNN


class Classifier(eqx.Module):
    """Whether the first input was positive, from the output of the last step of one row."""

    rnn: RNN
    readout: eqx.nn.Linear

    def __init__(self, key):
        rnn_key, readout_key = jax.random.split(key)
        self.rnn = RNN(rnnjax.Stack((rnnjax.LSTM(16), rnnjax.Residual(rnnjax.LSTM(16)))), 1, key=rnn_key)
        self.readout = eqx.nn.Linear(16, 1, key=readout_key)

    def __call__(self, xs):
        _, ys = self.rnn(xs)
        return self.readout(ys[-1])[0]


optimizer = optax.adam(3e-3)


@eqx.filter_jit
def update(model, opt_state, key):
    def loss(model):
        xs = jax.random.normal(key, (64, 12, 1))
        return jnp.mean(optax.sigmoid_binary_cross_entropy(jax.vmap(model)(xs), xs[:, 0, 0] > 0))

    value, gradient = eqx.filter_value_and_grad(loss)(model)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return eqx.apply_updates(model, updates), opt_state, value


model = Classifier(jax.random.key(0))
opt_state = optimizer.init(eqx.filter(model, eqx.is_array))
print("cell:", model.rnn.cell)
for step, key in enumerate(jax.random.split(jax.random.key(1), 300), start=1):
    model, opt_state, value = update(model, opt_state, key)
    if step in (1, 100, 200, 300):
        print(f"update {step:3}: loss {value:.3f}")
