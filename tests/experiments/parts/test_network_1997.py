"""The networks of 1997: their size is the published one, and their learning rules are gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.parts.network_1997 import Lesson, MemoryBlocks, RecurrentUnit, outputs, present
from experiments.parts.trials_1997 import rows
from rnnjax import LSTM1997, Precision, unroll
from rnnjax.errors import InputError

TIME, IN, OUT = 6, 3, 2
NETWORKS = (
    MemoryBlocks(2, 2, input_bias=(-1.0, -2.0)),
    MemoryBlocks(2, 1, biased="gates", output_bias=(-1.0, -2.0)),
    MemoryBlocks(1, 2, output_gates=False, feedback=False, direct=True, biased="none", plain=True),
    RecurrentUnit(),
)


learn = jax.jit(present, static_argnames=("network", "each_step"))


@pytest.fixture(params=NETWORKS, ids=("blocks", "gate biases", "plain", "unit"))
def case(request):
    """A network with large weights, and a sequence with errors in some of its steps, in double precision."""
    with jax.enable_x64(True):
        network, rng = request.param, np.random.default_rng(0)
        shapes = network.init(jax.random.key(0), IN, OUT)
        params = {name: jnp.asarray(rng.normal(size=leaf.shape)) for name, leaf in shapes.items()}
        if isinstance(network, MemoryBlocks):
            params["hidden"] *= network.trained(IN)
        mask = jnp.asarray([0.0, 1, 0, 1, 1, 0])
        lesson = Lesson(jnp.asarray(rng.normal(size=(TIME, IN))), jnp.asarray(rng.random((TIME, OUT))), mask, TIME)
        yield network, params, lesson


def written_out(network, params, inputs):
    """Outputs over a sequence, from the equations, step by step; what the truncated gradient takes as given is cut."""
    sigmoid, given, ys = jax.nn.sigmoid, jax.lax.stop_gradient, []
    if isinstance(network, RecurrentUnit):
        h = jnp.zeros(1)
        for x in inputs:
            h = sigmoid(params["hidden"] @ jnp.concatenate([x, h]))
            ys.append(sigmoid(params["readout"] @ jnp.concatenate([h, x])))
        return jnp.stack(ys)
    blocks, size = network.blocks, network.size
    h, c, gates = jnp.zeros(blocks * size), jnp.zeros(blocks * size), jnp.zeros(network.gates)
    for x in inputs:
        z = x
        if network.feedback:
            z = jnp.concatenate([z, given(h), given(gates)])
        if network.biased != "none":
            z = jnp.concatenate([z, jnp.ones(1)])
        net = params["hidden"] @ z
        gates, cells = sigmoid(net[: network.gates]), net[network.gates :]
        g = sigmoid(cells) if network.plain else 4 * sigmoid(cells) - 2
        c = c + jnp.repeat(gates[:blocks], size) * g
        h = c if network.plain else 2 * sigmoid(c) - 1
        if network.output_gates:
            h = jnp.repeat(gates[blocks:], size) * h
        seen = [h, *([x] if network.direct else []), *([jnp.ones(1)] if network.biased == "all" else [])]
        ys.append(sigmoid(params["readout"] @ jnp.concatenate(seen)))
    return jnp.stack(ys)


@pytest.mark.parametrize("row", rows().values(), ids=lambda row: row.name)
def test_every_network_has_the_published_number_of_weights(row):
    out = 1 if row.task.name == "latch" else row.task.outputs
    assert row.network.count(row.task.in_features, out) == row.weights


def test_outputs_are_those_of_the_equations(case):
    network, params, lesson = case
    ours = outputs(network, params, lesson.inputs)
    np.testing.assert_allclose(ours, written_out(network, params, lesson.inputs), rtol=1e-12)


def test_the_change_of_a_sequence_is_the_gradient(case):
    """Forwards in time and summed: that of half the squared error, truncated in the blocks, exact in the unit."""
    network, params, lesson = case

    def energy(params):
        error = written_out(network, params, lesson.inputs) - lesson.targets
        return 0.5 * jnp.sum(lesson.mask[:, None] * error**2)

    gradient = jax.grad(energy)(params)
    if isinstance(network, MemoryBlocks):
        gradient["hidden"] *= network.trained(IN)
    changed, mean, wrong = learn(network, params, lesson, 0.1, allowed=0.5)
    for name, leaf in gradient.items():
        np.testing.assert_allclose(changed[name] - params[name], -0.1 * leaf, rtol=1e-9, atol=1e-13)
    error = np.abs(written_out(network, params, lesson.inputs) - lesson.targets)[np.asarray(lesson.mask) > 0]
    np.testing.assert_allclose([mean, wrong], [error.mean(), (error >= 0.5).any(1).sum()], rtol=1e-9)


def test_changes_in_each_step_agree_to_first_order(case):
    """Weights that change as errors arise end where the sum leads, up to the square of the rate."""
    network, params, lesson = case
    apart = []
    for rate in (1e-3, 1e-4):
        once, often = (learn(network, params, lesson, rate, each_step=way)[0] for way in (False, True))
        apart.append(max(float(jnp.abs(once[name] - often[name]).max()) for name in params))
    assert apart[0] > 0 and 80 < apart[0] / apart[1] < 120


def test_until_they_join_the_hidden_units_have_no_part(case):
    network, params, lesson = case
    changed, _, _ = learn(network, params, lesson, 0.1, joined=False)
    np.testing.assert_array_equal(changed["hidden"], params["hidden"])
    readout = np.asarray(changed["readout"] - params["readout"])
    assert not readout[:, : network.cells].any() and (readout[:, network.cells :] != 0).all()


def test_steps_beyond_the_length_do_not_matter(case):
    network, params, lesson = case
    spoiled = lesson._replace(inputs=lesson.inputs.at[5].set(jnp.nan), length=5)
    for name, leaf in learn(network, params, spoiled, 0.1)[0].items():
        np.testing.assert_allclose(leaf, learn(network, params, lesson, 0.1)[0][name], rtol=1e-12)


def test_without_gates_fed_back_it_is_the_cell_of_the_library():
    """Blocks of one cell whose units do not see the gates of the step before compute what `LSTM1997` computes."""
    with jax.enable_x64(True):
        network, rng = MemoryBlocks(3), np.random.default_rng(1)
        params = {name: rng.normal(size=leaf.shape) for name, leaf in network.init(jax.random.key(0), IN, OUT).items()}
        hidden = params["hidden"].reshape(3, 3, -1)[np.array([0, 2, 1])]  # input gates, cells, output gates
        hidden[..., IN + 3 : -1] = 0
        params["hidden"] = hidden[np.array([0, 2, 1])].reshape(9, -1)
        columns = hidden.reshape(9, -1).T
        theirs = {"kernel": columns[:IN], "recurrent_kernel": columns[IN : IN + 3], "bias": columns[-1]}
        cell = LSTM1997(3, squashing="logistic", precision=Precision("float64", "float64", "float64", "float64"))
        xs = rng.normal(size=(TIME, IN))
        _, ys = unroll(cell, jax.tree.map(jnp.asarray, theirs), jnp.asarray(xs))
        expected = jax.nn.sigmoid(jnp.concatenate([ys, jnp.ones((TIME, 1))], 1) @ params["readout"].T)
        np.testing.assert_allclose(outputs(network, jax.tree.map(jnp.asarray, params), xs), expected, rtol=1e-10)


def test_gates_start_where_they_are_told():
    network = MemoryBlocks(2, 2, biased="gates", input_bias=(-3.0, -6.0), output_bias=(-1.0, -2.0), bound=0.2)
    hidden = np.asarray(network.init(jax.random.key(0), IN, OUT)["hidden"])
    assert hidden[:, -1].tolist() == [-3, -6, -1, -2, 0, 0, 0, 0]
    assert 0.1 < np.abs(hidden[:, :-1]).max() <= 0.2


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"blocks": 0}, "blocks"),
        ({"blocks": 1, "size": 0}, "size"),
        ({"blocks": 1, "biased": "some"}, "biased"),
        ({"blocks": 2, "input_bias": (1.0,)}, "input_bias"),
        ({"blocks": 1, "biased": "none", "output_bias": (1.0,)}, "output_bias"),
    ],
)
def test_bad_options_are_named(options, argument):
    with pytest.raises(InputError) as error:
        MemoryBlocks(**options)
    assert error.value.argument == f"MemoryBlocks.{argument}"
