"""Makes the golden files: what other libraries compute for the fixed problem, and how PyTorch and Keras initialise.

    pip install torch numpy                     && python tests/parity/make_golden.py torch
    pip install keras jax numpy                 && python tests/parity/make_golden.py keras
    pip install torch minGRU-pytorch numpy      && python tests/parity/make_golden.py minGRU_pytorch
    pip install torch recurrentgemma flax numpy && python tests/parity/make_golden.py recurrentgemma

Each in an environment of its own; nothing of rnnjax is needed. The version of the library is kept in the file.
"""

from __future__ import annotations

import os
import pathlib
import sys

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "golden"
BATCH, TIME, INPUTS, FEATURES = 3, 5, 4, 6
FULL_LENGTHS = np.array([5, 2, 3])  # PyTorch packs no empty rows
EMPTY_ROW_LENGTHS = np.array([5, 0, 3])
SHARES = np.linspace(0.1, 0.9, 9)
DRAWS, INITIAL_FEATURES, INITIAL_INPUTS = 60, 16, 24


def draws(seed, shapes):
    """Float64 normal draws of the given shapes."""
    rng = np.random.default_rng(seed)
    return [0.5 * rng.standard_normal(shape) for shape in shapes]


def problem(states):
    """Inputs, initial states, and the weights of the loss: the sum of outputs and final states times these."""
    xs, *carry = draws(1, [(BATCH, TIME, INPUTS), *[(BATCH, FEATURES)] * states])
    of_ys, *of_states = draws(2, [(BATCH, TIME, FEATURES), *[(BATCH, FEATURES)] * states])
    return 2 * xs, carry, of_ys, of_states


def quantiles(blocks):
    """The quantiles of each gate's draws, `[gates, 9]`."""
    return np.stack([np.quantile(np.ravel(block), SHARES) for block in blocks])


def torch_cases():
    """What PyTorch computes: `{case/part: array}`."""
    import torch

    made = {}
    cases = {
        "rnn_tanh": (torch.nn.RNN, dict(nonlinearity="tanh"), 1),
        "rnn_relu": (torch.nn.RNN, dict(nonlinearity="relu"), 1),
        "lstm": (torch.nn.LSTM, {}, 2),
        "gru": (torch.nn.GRU, {}, 1),
    }
    for name, (make, fields, states) in cases.items():
        module = make(INPUTS, FEATURES, batch_first=True, dtype=torch.float64, **fields)
        weights = dict(module.named_parameters())
        values = draws(0, [tuple(w.shape) for w in weights.values()])
        for parameter, value in zip(weights.values(), values, strict=True):
            parameter.data = torch.tensor(value)
        xs, carry, of_ys, of_states = problem(states)
        xs = torch.tensor(xs, requires_grad=True)
        carry = [torch.tensor(leaf, requires_grad=True) for leaf in carry]
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            xs, torch.tensor(FULL_LENGTHS), batch_first=True, enforce_sorted=False
        )
        start = tuple(leaf[None] for leaf in carry)
        ys, final = module(packed, start if states > 1 else start[0])
        ys, _ = torch.nn.utils.rnn.pad_packed_sequence(ys, batch_first=True, total_length=TIME)
        final = [leaf[0] for leaf in (final if states > 1 else [final])]
        pulls = [torch.tensor(pull) for pull in (of_ys, *of_states)]
        sum((leaf * pull).sum() for leaf, pull in zip([ys, *final], pulls, strict=True)).backward()
        parts = {f"weights/{key}": value for key, value in weights.items()}
        parts |= {f"gradients/{key}": value.grad for key, value in weights.items()}
        parts |= {"xs": xs, "gradients/xs": xs.grad, "ys": ys}
        for index in range(states):
            parts |= {
                f"carry/{index}": carry[index], f"final/{index}": final[index],
                f"gradients/carry/{index}": carry[index].grad,
            }  # fmt: skip
        made |= {f"{name}/{part}": value.detach().numpy() for part, value in parts.items()}
    torch.manual_seed(0)
    for name, make, gates in (("rnn", torch.nn.RNN, 1), ("lstm", torch.nn.LSTM, 4), ("gru", torch.nn.GRU, 3)):
        drawn = {"weight_ih_l0": [], "weight_hh_l0": [], "bias_ih_l0": [], "bias_hh_l0": []}
        for _ in range(DRAWS):
            for parameter, value in make(INITIAL_INPUTS, INITIAL_FEATURES).named_parameters():
                drawn[parameter].append(value.detach().numpy())
        drawn = {parameter: np.stack(values) for parameter, values in drawn.items()}
        drawn["bias_sum"] = drawn["bias_ih_l0"] + drawn["bias_hh_l0"]
        for parameter, values in drawn.items():
            made[f"initial/{name}/{parameter}"] = quantiles(np.split(values, gates, axis=1))
    return made | {"version": np.array(torch.__version__.split("+")[0])}


def keras_cases():
    """What Keras computes on its JAX backend: `{case/part: array}`."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import jax
    import jax.numpy as jnp
    import keras

    if keras.backend.backend() != "jax":
        raise RuntimeError(f"Keras runs on {keras.backend.backend()}, expected KERAS_BACKEND=jax")
    made = {}
    cases = {
        "simple_rnn": (keras.layers.SimpleRNN, {}, 1),
        "lstm": (keras.layers.LSTM, dict(use_cudnn=False), 2),
        "gru_reset_after": (keras.layers.GRU, dict(use_cudnn=False, reset_after=True), 1),
        "gru_reset_before": (keras.layers.GRU, dict(use_cudnn=False, reset_after=False), 1),
    }
    with jax.enable_x64(True):
        for name, (make, fields, states) in cases.items():
            # Keras' own tanh computes in float32 on JAX, whatever the dtype of the layer: JAX's stands in for it.
            options = dict(return_sequences=True, return_state=True, dtype="float64", activation=jnp.tanh)
            layer = make(FEATURES, **options, **fields)
            layer.build((BATCH, TIME, INPUTS))
            weights = draws(0, [tuple(w.shape) for w in layer.trainable_variables])
            xs, carry, of_ys, of_states = problem(states)
            mask = np.arange(TIME) < EMPTY_ROW_LENGTHS[:, None]

            def run(weights, xs, carry, layer=layer, mask=mask):
                others = [variable.value for variable in layer.non_trainable_variables]
                (ys, *final), _ = layer.stateless_call(weights, others, xs, initial_state=list(carry), mask=mask)
                return jnp.where(mask[..., None], ys, 0), final

            def loss(weights, xs, carry, run=run, of_ys=of_ys, of_states=of_states):
                ys, final = run(weights, xs, carry)
                return sum((leaf * pull).sum() for leaf, pull in zip([ys, *final], [of_ys, *of_states], strict=True))

            ys, final = run(weights, xs, carry)
            of_weights, of_xs, of_carry = jax.grad(loss, argnums=(0, 1, 2))(weights, xs, carry)
            names = [w.name for w in layer.trainable_variables]
            parts = {f"weights/{key}": value for key, value in zip(names, weights, strict=True)}
            parts |= {f"gradients/{key}": value for key, value in zip(names, of_weights, strict=True)}
            parts |= {"xs": xs, "gradients/xs": of_xs, "ys": ys}
            for index in range(states):
                parts |= {
                    f"carry/{index}": carry[index], f"final/{index}": final[index],
                    f"gradients/carry/{index}": of_carry[index],
                }  # fmt: skip
            made |= {f"{name}/{part}": np.asarray(value) for part, value in parts.items()}
    keras.utils.set_random_seed(0)
    for name, make, gates in (
        ("simple_rnn", keras.layers.SimpleRNN, 1), ("lstm", keras.layers.LSTM, 4), ("gru", keras.layers.GRU, 3)
    ):  # fmt: skip
        drawn = {"kernel": [], "recurrent_kernel": [], "bias": []}
        for _ in range(DRAWS):
            layer = make(INITIAL_FEATURES)
            layer.build((1, 1, INITIAL_INPUTS))
            for variable in layer.trainable_variables:
                drawn[variable.name].append(np.asarray(variable.value))
        for variable, values in drawn.items():
            made[f"initial/{name}/{variable}"] = quantiles(np.split(np.stack(values), gates, axis=-1))
    return made | {"version": np.array(keras.__version__)}


def differentiated(name, run, weights, carry):
    """The parts of a case `run(weights, xs, carry) -> (ys, final)` of PyTorch, with gradients: `{name/part: array}`."""
    import torch

    xs, _, of_ys, of_states = problem(1)
    leaves = {key: torch.tensor(value, requires_grad=True) for key, value in weights.items()}
    xs, carry = (torch.tensor(value, requires_grad=True) for value in (xs, carry))
    ys, final = run(leaves, xs, carry)
    ((ys * torch.tensor(of_ys)).sum() + (final * torch.tensor(of_states[0])).sum()).backward()
    parts = {f"weights/{key}": value for key, value in leaves.items()}
    parts |= {f"gradients/{key}": value.grad for key, value in leaves.items()}
    parts |= {"xs": xs, "gradients/xs": xs.grad, "ys": ys}
    parts |= {"carry/0": carry, "gradients/carry/0": carry.grad, "final/0": final}
    return {f"{name}/{part}": value.detach().numpy() for part, value in parts.items()}


def min_gru_cases():
    """What minGRU-pytorch computes, from a state that is positive, as its logarithm has to be: `{case/part: array}`."""
    import importlib.metadata

    import torch
    from minGRU_pytorch.minGRU import minGRU
    from minGRU_pytorch.minLSTM import minLSTM

    made = {}
    options = dict(expansion_factor=FEATURES / INPUTS, proj_out=False)
    (carry,) = problem(1)[1]
    for name, make, layer, gates in (
        ("min_gru", minGRU, "to_hidden_and_gate", 2), ("min_lstm", minLSTM, "to_hidden_and_f_i_gate", 3)
    ):  # fmt: skip
        module = make(INPUTS, **options).double()
        (kernel,) = draws(0, [(gates * FEATURES, INPUTS)])

        def run(weights, xs, carry, module=module, layer=layer, name=name):
            # All steps at once; but minLSTM's parallel form takes another carried state than its single step does.
            parts = [xs] if name == "min_gru" else xs.split(1, dim=1)
            ys, state = [], carry[:, None]
            for part in parts:
                y = torch.func.functional_call(module, {f"{layer}.weight": weights["kernel"]}, (part, state))
                ys, state = [*ys, y], y[:, -1:]
            return torch.cat(ys, dim=1), state[:, 0]

        made |= differentiated(name, run, {"kernel": kernel}, np.exp(carry))
    return made | {"version": np.array(importlib.metadata.version("minGRU-pytorch"))}


def rg_lru_cases():
    """What the RG-LRU of recurrentgemma computes after the first step of a sequence: `{case/part: array}`."""
    import functools
    import importlib.metadata

    import torch
    from recurrentgemma.torch import layers

    # The module adds up in float32, whatever its dtype, unless told otherwise.
    layers.rnn_scan = functools.partial(layers.rnn_scan, acc_dtype=torch.float64)
    heads = 2
    module = layers.RGLRU(FEATURES, heads, dtype=torch.float64)
    shapes = {"input_kernel": (INPUTS, FEATURES)} | {key: tuple(w.shape) for key, w in module.named_parameters()}
    weights = dict(zip(shapes, draws(0, shapes.values()), strict=True))

    def run(weights, xs, carry):
        own = {key: value for key, value in weights.items() if key != "input_kernel"}
        positions = torch.arange(1, TIME + 1).expand(BATCH, TIME)
        return torch.func.functional_call(module, own, (xs @ weights["input_kernel"], positions, carry))

    made = differentiated("rg_lru", run, weights, problem(1)[1][0])
    return made | {"version": np.array(importlib.metadata.version("recurrentgemma"))}


CASES = {
    "torch": torch_cases,
    "keras": keras_cases,
    "minGRU_pytorch": min_gru_cases,
    "recurrentgemma": rg_lru_cases,
}

if __name__ == "__main__":
    for library in sys.argv[1:] or CASES:
        FOLDER.mkdir(exist_ok=True)
        np.savez_compressed(FOLDER / f"{library}.npz", **CASES[library]())
        print(FOLDER / f"{library}.npz", (FOLDER / f"{library}.npz").stat().st_size, "bytes")
