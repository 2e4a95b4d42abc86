"""Makes the golden files of convolutional cells, of cells with a matrix for a memory, and of reservoirs.

Each function needs the package that it is named after: xlstm with PyTorch, reservoirpy, keras, flax or haiku with JAX.
"""

from __future__ import annotations

import os

import numpy as np
from parity.zoo import golden

H, F, BATCH, TIME = golden.FEATURES, golden.INPUTS, golden.BATCH, golden.TIME


def draw(seed=0, **shapes):
    return dict(zip(shapes, golden.draws(seed, shapes.values()), strict=True))


# --- xLSTM -------------------------------------------------------------------------------------------------------


def slstm_step(weights, state, x):
    """`recurrent [heads, 4 * head_features, head_features]`; states h, c, n, m."""
    import torch
    from xlstm.blocks.slstm.src.vanilla import slstm_forward, slstm_pointwise_function_registry

    pointwise = slstm_pointwise_function_registry["slstm"]
    driven = (x @ weights["kernel"])[None]
    _, after, _ = slstm_forward(driven, torch.stack(state), weights["recurrent"], weights["bias"], pointwise)
    after = tuple(after.unbind())
    return after, after[0]


def mlstm_step(heads):
    """The memory's axes are turned: keys by values there, values by keys here. Without what is added to the scale."""
    import torch
    from xlstm.blocks.mlstm.backends import recurrent_step_stabilized_simple

    def step(weights, state, x):
        c, n, m = state
        by_head = lambda flat: flat.reshape(BATCH, heads, 1, -1)  # noqa: E731
        q, k, v = (by_head(x @ weights[name]) for name in ("query", "key", "value"))
        i, f = (by_head(x @ weights[f"{gate}_kernel"] + weights[f"{gate}_bias"]) for gate in ("input", "forget"))
        state = (c.transpose(-1, -2), n[..., None], m[..., None, None])
        h, (c, n, m) = recurrent_step_stabilized_simple(*state, q, k, v, i, f, eps=0.0)
        y = torch.sigmoid(x @ weights["output"]) * h.reshape(BATCH, H)
        return (c.transpose(-1, -2), n[..., 0], m[..., 0, 0]), y

    return step


def of_xlstm():
    made = golden.version("xlstm")
    h, c, n, m = golden.draws(3, [(BATCH, H)] * 4)
    for name, heads in (("slstm", 1), ("slstm_heads", 2)):
        d = H // heads
        weights = draw(kernel=(F, 4 * H), recurrent=(heads, 4 * d, d), bias=(4 * H,))
        made |= golden.torch_case(name, slstm_step, weights, [h, c, np.abs(n) + 0.5, m])
    for name, heads in (("mlstm", 1), ("mlstm_heads", 3)):
        d = H // heads
        projections = dict.fromkeys(("query", "key", "value", "output"), (F, H))
        gates = {f"{gate}_kernel": (F, heads) for gate in ("input", "forget")}
        gates |= {f"{gate}_bias": (heads,) for gate in ("input", "forget")}
        carry = golden.draws(3, [(BATCH, heads, d, d), (BATCH, heads, d), (BATCH, heads)])
        made |= golden.torch_case(name, mlstm_step(heads), draw(**projections, **gates), carry)
    return made


# --- reservoirs --------------------------------------------------------------------------------------------------


def of_reservoirpy():
    """The package has no gradients, but computes in complex numbers too: steps of i 1e-30 give them exactly."""
    from reservoirpy.nodes import Reservoir

    made = golden.version("reservoirpy")
    for name, leak in (("echo_state", 1.0), ("echo_state_leaky", 0.3)):
        given = draw(W=(H, H), Win=(H, F), bias=(H,)) | {"xs": 2 * golden.draws(1, [(BATCH, TIME, F)])[0]}
        given["carry"] = golden.draws(3, [(BATCH, H)])[0]

        def run(given, leak=leak):
            ys = np.zeros((BATCH, TIME, H), np.result_type(*given.values()))
            for row in range(BATCH):
                node = Reservoir(W=given["W"], Win=given["Win"], bias=given["bias"], lr=leak, activation="tanh")
                node.initialize(given["xs"][row, 0])
                node.state = {"out": given["carry"][row]}
                for t in range(TIME):
                    ys[row, t] = node.step(given["xs"][row, t])
            return ys

        ys = run(given)
        of_ys, of_final = golden.draws(2, [ys.shape, (BATCH, H)])
        gradients = {key: np.zeros_like(value) for key, value in given.items()}
        for key, value in given.items():
            for index in np.ndindex(value.shape):
                moved = value.astype(complex)
                moved[index] += 1e-30j
                ys_moved = run(given | {key: moved})
                loss = (ys_moved * of_ys).sum() + (ys_moved[:, -1] * of_final).sum()
                gradients[key][index] = loss.imag / 1e-30
        parts = {f"weights/{key}": given[key] for key in ("W", "Win", "bias")}
        parts |= {f"gradients/{key}": gradients[key] for key in ("W", "Win", "bias", "xs")}
        parts |= {"xs": given["xs"], "ys": ys, "carry/0": given["carry"], "final/0": ys[:, -1]}
        parts |= {"gradients/carry/0": gradients["carry"]}
        made |= {f"{name}/{part}": value for part, value in parts.items()}
    return made


# --- convolutions ------------------------------------------------------------------------------------------------


def jax_case(name, step, shapes, places):
    """A case of a package of JAX, as `golden.torch_case` makes those of PyTorch; the state is h, then c."""
    import jax
    import jax.numpy as jnp

    weights = draw(**shapes)
    xs = 2 * golden.draws(1, [(BATCH, TIME, *places, F)])[0]
    carry = golden.draws(3, [(BATCH, *places, H)] * 2)

    def run(weights, xs, carry):
        state, ys = tuple(carry), []
        for t in range(TIME):
            state, y = step(weights, state, xs[:, t])
            ys.append(y)
        return jnp.stack(ys, 1), *state

    pulls = golden.draws(2, [(BATCH, TIME, *places, H), *(leaf.shape for leaf in carry)])

    def loss(*arguments):
        leaves = run(*arguments)
        return sum((leaf * pull).sum() for leaf, pull in zip(leaves, pulls, strict=True)), leaves

    with jax.enable_x64(True):
        evaluate = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))
        (of_weights, of_xs, of_carry), (ys, *final) = jax.device_get(evaluate(weights, xs, carry))
    parts = {f"weights/{key}": value for key, value in weights.items()}
    parts |= {f"gradients/{key}": value for key, value in of_weights.items()}
    parts |= {"xs": xs, "gradients/xs": of_xs, "ys": ys}
    for index, (before, gradient, after) in enumerate(zip(carry, of_carry, final, strict=True)):
        parts |= {f"carry/{index}": before, f"gradients/carry/{index}": gradient, f"final/{index}": after}
    return {f"{name}/{part}": np.asarray(value) for part, value in parts.items()}


def of_keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax.numpy as jnp
    import keras
    from keras.src.layers.rnn.conv_lstm import ConvLSTMCell

    # Keras' own tanh computes in float32 on JAX, whatever the dtype of the layer: JAX's stands in for it.
    options = dict(padding="same", dtype="float64", data_format="channels_last", activation=jnp.tanh)
    cell = ConvLSTMCell(2, H, 3, **options)

    def step(weights, state, x):
        variables = [weights["kernel"], weights["recurrent_kernel"], weights["bias"]]
        if not cell.built:
            cell.build((BATCH, *x.shape[1:]))
        others = [variable.value for variable in cell.non_trainable_variables]  # the seed of a dropout of zero
        (y, after), _ = cell.stateless_call(variables, others, x, list(state))
        return tuple(after), y

    shapes = dict(kernel=(3, 3, F, 4 * H), recurrent_kernel=(3, 3, H, 4 * H), bias=(4 * H,))
    made = jax_case("conv_lstm_2d", step, shapes, (3, 2))
    return made | {"version": np.array(keras.__version__)}


def of_flax():
    import flax.linen as nn

    cell = nn.ConvLSTMCell(H, (2, 2, 2))

    def step(weights, state, x):
        params = {
            layer: {"kernel": weights[f"{layer}_kernel"], "bias": weights[f"{layer}_bias"]} for layer in ("ih", "hh")
        }
        (c, h), y = cell.apply({"params": params}, state[::-1], x)
        return (h, c), y

    shapes = dict(ih_kernel=(2, 2, 2, F, 4 * H), hh_kernel=(2, 2, 2, H, 4 * H), ih_bias=(4 * H,), hh_bias=(4 * H,))
    return golden.version("flax") | jax_case("conv_lstm_3d", step, shapes, (2, 1, 2))


def of_haiku():
    import haiku as hk

    core = hk.transform(lambda x, state: hk.Conv1DLSTM((7,), H, 3)(x, hk.LSTMState(*state)))

    def step(weights, state, x):
        params = {
            f"conv1_dlstm/{layer}": {"w": weights[f"{layer}_w"], "b": weights[f"{layer}_b"]}
            for layer in ("input_to_hidden", "hidden_to_hidden")
        }
        y, after = core.apply(params, None, x, state)
        return (after.hidden, after.cell), y

    shapes = dict(input_to_hidden_w=(3, F, 4 * H), input_to_hidden_b=(4 * H,))
    shapes |= dict(hidden_to_hidden_w=(3, H, 4 * H), hidden_to_hidden_b=(4 * H,))
    return golden.version("dm-haiku") | jax_case("conv_lstm_1d", step, shapes, (7,))


LIBRARIES = {
    "xlstm": of_xlstm,
    "reservoirpy": of_reservoirpy,
    "keras": of_keras,
    "flax": of_flax,
    "haiku": of_haiku,
}

if __name__ == "__main__":
    golden.write("memory", LIBRARIES)
