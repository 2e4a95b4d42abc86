"""Golden numbers of linear recurrences: mambapy, and the plain PyTorch recurrences that come with fla.

    pip install mambapy; pip install --no-deps fla-core; pip install einops
    PYTHONPATH=tests python -m parity.zoo.make_linear

Run from the root of the repository. Of fla only files without Triton are read, which need no GPU. What both round to
float32 on the way, the rate of Mamba and all operands in fla, is kept in float64 here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import types
from unittest import mock

from parity.zoo import golden
from parity.zoo.golden import BATCH, FEATURES, INPUTS

STATES, RANK, GATE_RANK = 3, 2, 5
HEADS, WIDTH = 2, FEATURES // 2  # width of keys and values of a head


def in_double_precision():
    """Makes `tensor.float()` leave a tensor as it is."""
    import torch

    return mock.patch.object(torch.Tensor, "float", lambda tensor: tensor)


def mambapy():
    """The selective state space of a block, without the convolution and projections around it."""
    import torch
    from mambapy.mamba import MambaBlock, MambaConfig

    options = MambaConfig(d_model=FEATURES // 2, n_layers=1, dt_rank=RANK, d_state=STATES, expand_factor=2)

    class Recurrence(torch.nn.Module):
        def __init__(self):
            super().__init__()
            block = MambaBlock(options).double()
            self.x_proj, self.dt_proj, self.A_log, self.D = block.x_proj, block.dt_proj, block.A_log, block.D

        config = options
        ssm_step, _apply_layernorms = MambaBlock.ssm_step, MambaBlock._apply_layernorms
        dt_layernorm = B_layernorm = C_layernorm = None

        def forward(self, x, h):
            return self.ssm_step(x, h)

    module = Recurrence()

    def step(weights, state, x):
        h = state[0].reshape(-1, FEATURES, STATES)
        y, h = torch.func.functional_call(module, weights, (x, h))
        return (h.flatten(1),), y

    xs, carry = golden.draws(3, [(BATCH, golden.TIME, FEATURES), (BATCH, FEATURES * STATES)])
    with in_double_precision():
        case = golden.torch_case("mamba", step, golden.random_weights(module), [carry], 2 * xs)
    return case | golden.version("mambapy")


def naive(name):
    """One of fla's files of plain PyTorch, by the name of its folder; its package needs Triton to be imported."""
    import torch

    path = importlib.metadata.distribution("fla-core").locate_file(f"fla/ops/{name}/naive.py")
    spec = importlib.util.spec_from_file_location(f"fla_naive_{name}", str(path))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    wide = types.ModuleType("torch")
    wide.__dict__.update(torch.__dict__, float32=torch.float64)
    module.torch = wide
    return module


def heads(a):
    """`[batch, heads * n] -> [batch, 1, heads, n]`: a sequence of one step."""
    return a.reshape(len(a), 1, HEADS, -1)


def unit(a):
    """What the layers of fla do to queries and keys: SiLU, and length one."""
    import torch

    a = torch.nn.functional.silu(a)
    return a * torch.rsqrt((a * a).sum(-1, keepdim=True) + 1e-6)


def fla():
    """Gated linear attention and the delta rule, with the projections of the layers of fla before them."""
    import torch

    functional = torch.nn.functional
    gla, delta, gated = (naive(name) for name in ("gla", "delta_rule", "gated_delta_rule"))
    projections = {f"{part}_proj.weight": (FEATURES, INPUTS) for part in "qkv"}

    def projected(weights, x):
        return (heads(x @ weights[f"{part}_proj.weight"].T) for part in "qkv")

    # A row of the memory of the delta rule is a key there, and a value here.
    def as_there(state):
        return state[0].reshape(-1, HEADS, WIDTH, WIDTH).transpose(-1, -2)

    def as_here(memory):
        return (memory.transpose(-1, -2).flatten(1),)

    def gla_step(weights, state, x):
        q, k, v = projected(weights, x)
        low = x @ weights["gk_proj.0.weight"].T
        gates = functional.logsigmoid(low @ weights["gk_proj.1.weight"].T + weights["gk_proj.1.bias"]) / 16
        memory = state[0].reshape(-1, HEADS, WIDTH, WIDTH)
        y, memory = gla.naive_recurrent_gla(q, k, v, heads(gates), memory, True)
        return (memory.flatten(1),), y.flatten(1)

    def delta_step(weights, state, x):
        q, k, v = projected(weights, x)
        write = torch.sigmoid(x @ weights["b_proj.weight"].T)[..., None]
        # It divides queries by the root of their width.
        q, k, v = (a.transpose(1, 2) for a in (unit(q) * WIDTH**0.5, unit(k), v))
        y, memory = delta.delta_rule_recurrence(q, k, v, write, as_there(state))
        return as_here(memory), y.transpose(1, 2).flatten(1)

    def gated_step(weights, state, x):
        q, k, v = projected(weights, x)
        write = torch.sigmoid(x @ weights["b_proj.weight"].T)[:, None]
        steps = functional.softplus(x @ weights["a_proj.weight"].T + weights["dt_bias"])
        rates = -(weights["A_log"].exp() * steps)[:, None]
        memory = as_there(state)
        y, memory = gated.naive_recurrent_gated_delta_rule(unit(q), unit(k), v, write, rates, 1.0, memory, True)
        return as_here(memory), y.flatten(1)

    gate = {"gk_proj.0.weight": (GATE_RANK, INPUTS), "gk_proj.1.weight": (FEATURES, GATE_RANK)}
    one = {"b_proj.weight": (HEADS, INPUTS)}
    more = {"a_proj.weight": (HEADS, INPUTS), "A_log": (HEADS,), "dt_bias": (HEADS,)}
    matrix = (BATCH, FEATURES * WIDTH)
    made = {}
    for name, step, shapes, carry in (
        ("gated_linear_attention", gla_step, gate | {"gk_proj.1.bias": (FEATURES,)}, matrix),
        ("delta_net", delta_step, one, matrix),
        ("gated_delta_net", gated_step, one | more, matrix),
    ):
        shapes = projections | shapes
        weights = dict(zip(shapes, golden.draws(4, shapes.values()), strict=True))
        with in_double_precision():
            made |= golden.torch_case(name, step, weights, golden.draws(5, [carry]))
    return made | golden.version("fla-core")


LIBRARIES = {"mambapy": mambapy, "fla": fla}

if __name__ == "__main__":
    golden.write("linear", LIBRARIES)
