"""A cell as a recurrent core of Haiku, and over whole sequences, with the same parameters.

python examples/haiku_model.py
"""

import haiku as hk
import jax
import jax.numpy as jnp
import optax

import rnnjax
from rnnjax.adapters.haiku import RNN, RNNCore

cell = rnnjax.LSTM(32, bias_init={"forget": 2.0})


def classifier(xs):
    """Whether the first input was positive, from the output of the last step."""
    ys, _ = RNN(cell, name="memory")(xs)
    return hk.Linear(1)(ys[:, -1])[:, 0]


def steps(xs):
    """The recurrent outputs once more, by Haiku's own loop over the core."""
    core = RNNCore(cell, name="memory")
    return hk.dynamic_unroll(core, xs, core.initial_state(len(xs)), time_major=False)[0]


model = hk.without_apply_rng(hk.transform(classifier))
optimizer = optax.adam(3e-3)


def loss(params, key):
    xs = jax.random.normal(key, (64, 12, 1))
    return jnp.mean(optax.sigmoid_binary_cross_entropy(model.apply(params, xs), xs[:, 0, 0] > 0))


@jax.jit
def update(params, opt_state, key):
    value, gradient = jax.value_and_grad(loss)(params, key)
    updates, opt_state = optimizer.update(gradient, opt_state)
    return optax.apply_updates(params, updates), opt_state, value


xs = jnp.ones((2, 12, 1))
params = model.init(jax.random.key(0), xs)
opt_state = optimizer.init(params)
for step, key in enumerate(jax.random.split(jax.random.key(1), 300), start=1):
    params, opt_state, value = update(params, opt_state, key)
    if step in (1, 100, 200, 300):
        print(f"update {step:3}: loss {value:.3f}")

whole = rnnjax.unroll(cell, params["memory"], xs)[1]
looped = hk.without_apply_rng(hk.transform(steps)).apply({"memory": params["memory"]}, xs)
print("largest difference between loop and unroll:", float(jnp.max(jnp.abs(whole - looped))))
