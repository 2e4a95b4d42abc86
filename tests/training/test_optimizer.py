"""Optimisers, schedules, clipping and noise against their formulas, written out in NumPy."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import InputError
from rnnjax.training import Optimizer, make_optimizer
from rnnjax.training.optimizer import clipped, schedule

STEPS = 6
RNG = np.random.default_rng(0)
PARAMS = {"kernel": RNG.standard_normal((3, 4)), "bias": RNG.standard_normal(4)}
GRADIENTS = [{name: RNG.standard_normal(leaf.shape) for name, leaf in PARAMS.items()} for _ in range(STEPS)]


def steps_of(config, gradients=GRADIENTS, steps=STEPS, key=None):
    """What the chain makes of gradients: parameters after each, and whether each was clipped."""
    optimizer = make_optimizer(config, steps, key)

    @jax.jit
    def run(params, gradients):
        def step(carry, gradient):
            params, state = carry
            updates, state = optimizer.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), (params, clipped(state))

        return jax.lax.scan(step, (params, optimizer.init(params)), gradients)[1]

    stacked = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves), jnp.float32), *gradients)
    return run(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), PARAMS), stacked)


def direction(config, gradients):
    """The direction in which each rule goes, before decay of its own and the learning rate; one array, step by step."""
    decay, directions = config.decay, []
    first = second = trace = 0.0
    for t, g in enumerate(gradients, 1):
        if config.name == "sgd":
            u = g
        elif config.name == "momentum":
            u = trace = g + (config.momentum or 0.9) * trace
        elif config.name == "rmsprop":
            second = (decay or 0.9) * second + (1 - (decay or 0.9)) * g**2
            u = g / np.sqrt(second + config.eps)
            if config.momentum:
                u = trace = u + config.momentum * trace
        else:
            b2 = decay or 0.999
            first = config.b1 * first + (1 - config.b1) * g
            second = b2 * second + (1 - b2) * g**2
            u = (first / (1 - config.b1**t)) / (np.sqrt(second / (1 - b2**t)) + config.eps)
        directions.append(u)
    return directions


RULES = [
    Optimizer("sgd", 0.1),
    Optimizer("momentum", 0.1),
    Optimizer("momentum", 0.1, momentum=0.5),
    Optimizer("rmsprop", 0.1),
    Optimizer("rmsprop", 0.1, momentum=0.7, decay=0.8, eps=1e-2),
    Optimizer("adam", 0.1),
    Optimizer("adam", 0.1, b1=0.6, decay=0.8, eps=1e-2),
    Optimizer("adamw", 0.1),
]


@pytest.mark.parametrize("weight_decay", [0.0, 0.2])
@pytest.mark.parametrize("config", RULES, ids=lambda config: f"{config.name}-{config.momentum}-{config.decay}")
def test_each_rule_is_its_formula(config, weight_decay):
    """Decay acts on kernels alone: as an L2 gradient before the rule, in "adamw" beside it; never on biases."""
    config = dataclasses.replace(config, clip="none", weight_decay=weight_decay)
    after, _ = steps_of(config)
    for name in PARAMS:
        decayed = weight_decay * (name == "kernel")
        p, seen = PARAMS[name], []
        for t, gradient in enumerate(GRADIENTS):
            g = gradient[name]
            seen.append(g if config.name == "adamw" else g + decayed * p)
            u = direction(config, seen)[-1]
            p = p - 0.1 * (u + decayed * p if config.name == "adamw" else u)
            np.testing.assert_allclose(after[name][t], p, rtol=1e-4, atol=1e-5, err_msg=f"{name} at {t}")


def rate(config, t, steps):
    """The learning rate of update t of a run of `steps`."""
    peak, warmup = config.learning_rate, config.warmup_steps
    if t < warmup:
        return peak * t / warmup
    t -= warmup
    return (
        peak
        * {
            "constant": lambda: 1.0,
            "step": lambda: config.decay_rate ** (t // config.decay_steps),
            "exponential": lambda: config.decay_rate ** (t / config.decay_steps),
            "cosine": lambda: (1 + math.cos(math.pi * min(t / (steps - warmup), 1))) / 2,
        }[config.schedule]()
    )


@pytest.mark.parametrize("warmup", [0, 5])
@pytest.mark.parametrize("name", ["constant", "step", "exponential", "cosine"])
def test_each_schedule_is_its_formula(name, warmup):
    """The rate of every update; the warm-up rises from zero to the peak, and the schedule begins after it."""
    config = Optimizer("sgd", 0.3, clip="none", schedule=name, warmup_steps=warmup, decay_steps=4, decay_rate=0.6)
    rates = jax.jit(jax.vmap(schedule(config, 20)))(jnp.arange(21))
    expected = [rate(config, t, 20) for t in range(21)]
    np.testing.assert_allclose(np.broadcast_to(rates, 21), expected, rtol=1e-5, atol=1e-7)
    assert max(expected) == pytest.approx(expected[warmup]) == 0.3
    assert (expected[0] == 0) == (warmup > 0)


def test_updates_follow_the_schedule():
    """The change of the parameters at update t is minus the rate of update t times the gradient."""
    config = Optimizer("sgd", 0.3, clip="none", schedule="step", warmup_steps=2, decay_steps=2)
    after, _ = steps_of(config)
    rates = [rate(config, t, STEPS) for t in range(STEPS)]
    moved = np.cumsum([r * gradient["kernel"] for r, gradient in zip(rates, GRADIENTS, strict=True)], 0)
    np.testing.assert_allclose(after["kernel"], PARAMS["kernel"] - moved, rtol=1e-5, atol=1e-6)


SCALES = [1e-3, 0.1, 0.3, 1.0, 10.0, 0.0]  # of the gradients: some within every bound, some beyond


def clip(name, threshold):
    """The gradients that are left after clipping, whether each was changed, and the gradients given."""
    given = [{leaf: scale * g[leaf] for leaf in g} for scale, g in zip(SCALES, GRADIENTS, strict=True)]
    given[1] |= {"bias": GRADIENTS[1]["bias"]}  # one leaf alone is beyond
    after, flags = steps_of(Optimizer("sgd", 1.0, clip=name, clip_threshold=threshold), given)
    before = {leaf: np.concatenate([PARAMS[leaf][None], after[leaf][:-1]]) for leaf in PARAMS}
    return [{leaf: before[leaf][t] - after[leaf][t] for leaf in PARAMS} for t in range(STEPS)], flags, given, before


def norm(tree):
    return math.sqrt(sum(np.square(leaf).sum() for leaf in tree.values()))


def test_norm_clipping_bounds_the_norm_and_keeps_the_direction():
    """The global norm becomes min(norm, threshold), every entry scaled alike; flagged where it was larger."""
    left, flags, given, _ = clip("norm", 0.9)
    for after, flag, before in zip(left, flags, given, strict=True):
        factor = min(1.0, 0.9 / max(norm(before), 1e-12))
        assert norm(after) <= 0.9 * (1 + 1e-5)
        assert bool(flag) == (factor < 1)
        for leaf in PARAMS:
            np.testing.assert_allclose(after[leaf], factor * before[leaf], rtol=1e-5, atol=1e-6)
    assert 0 < np.mean(flags) < 1


def test_value_clipping_bounds_each_entry():
    """Each entry is cut off at plus or minus the threshold; flagged where one was beyond."""
    left, flags, given, _ = clip("value", 0.4)
    for after, flag, before in zip(left, flags, given, strict=True):
        assert bool(flag) == any(np.any(np.abs(before[leaf]) > 0.4) for leaf in PARAMS)
        for leaf in PARAMS:
            np.testing.assert_allclose(after[leaf], np.clip(before[leaf], -0.4, 0.4), rtol=1e-5, atol=1e-6)
    assert 0 < np.mean(flags) < 1


def test_adaptive_clipping_is_that_of_optax():
    """Each unit's gradient is bounded by its weights' norm times the threshold; flagged where one was beyond."""
    left, flags, given, params = clip("adaptive", 0.2)
    reference = optax.adaptive_grad_clip(0.2)
    for t, (after, flag, before) in enumerate(zip(left, flags, given, strict=True)):
        here, before = (
            {leaf: jnp.asarray(tree[leaf], jnp.float32) for leaf in PARAMS}
            for tree in ({leaf: params[leaf][t] for leaf in PARAMS}, before)
        )
        expected, _ = reference.update(before, reference.init(here), here)
        assert bool(flag) == any(np.any(expected[leaf] != before[leaf]) for leaf in PARAMS)
        for leaf in PARAMS:
            np.testing.assert_allclose(after[leaf], expected[leaf], rtol=1e-5, atol=1e-6)
    columns = np.linalg.norm(left[4]["kernel"], axis=0) / np.linalg.norm(params["kernel"][4], axis=0)
    np.testing.assert_allclose(columns, 0.2, rtol=1e-4)
    assert 0 < np.mean(flags) < 1


def test_without_clipping_nothing_is_flagged():
    _, flags, _, _ = clip("none", 0.1)
    assert not flags.any()


def noise_of(eta, seed, steps=12, entries=4000, rule="sgd"):
    """The noise added to zero gradients, `[steps, leaves, entries]`."""
    config = Optimizer(rule, 1.0, gradient_noise=eta)
    optimizer = make_optimizer(config, steps, jax.random.key(seed))
    zeros = {"a": jnp.zeros(entries), "b": jnp.zeros(entries)}

    @jax.jit
    def run():
        def step(state, _):
            updates, state = optimizer.update(zeros, state, zeros)
            return state, -jnp.stack(jax.tree.leaves(updates))

        return jax.lax.scan(step, optimizer.init(zeros), length=steps)[1]

    return np.asarray(run())


def test_gradient_noise_decays_as_documented():
    """At update t the noise is Gaussian with variance eta / (1 + t)^0.55, to five standard errors, and independent."""
    noise = noise_of(0.3, 0)
    entries = noise[0].size
    standard = noise / np.sqrt(0.3 / (1 + np.arange(12)) ** 0.55)[:, None, None]
    flat = standard.reshape(12, -1)
    np.testing.assert_array_less(np.abs(np.square(flat).mean(1) - 1), 5 * math.sqrt(2 / entries))
    np.testing.assert_array_less(np.abs((flat**4).mean(1) - 3), 5 * math.sqrt(96 / entries))
    rows = standard.reshape(24, -1)
    correlations = rows @ rows.T / rows.shape[1] - np.diag(np.square(rows).mean(1))
    np.testing.assert_array_less(np.abs(correlations), 5 / math.sqrt(rows.shape[1]))


def test_gradient_noise_follows_from_the_key():
    """The same key gives the same noise, another key another."""
    np.testing.assert_array_equal(noise_of(0.3, 1), noise_of(0.3, 1))
    assert not np.any(noise_of(0.3, 1) == noise_of(0.3, 2))


def test_each_seed_has_its_own_noise(small, start):
    """The key of the noise lies in a run's first state, drawn from the run's seed."""
    config = small(optimizer=Optimizer("sgd", 1.0, gradient_noise=0.1))
    optimizer = make_optimizer(config.optimizer, config.steps)  # of another key, or none: that of the state counts
    first = []
    for seed in (0, 0, 1):
        state = start(config, seed)
        zeros = jax.tree.map(jnp.zeros_like, state.params)
        first.append(jax.jit(optimizer.update)(zeros, state.opt_state, zeros)[0]["cell"]["recurrent_kernel"])
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.any(first[0] == first[2])


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adamw"])
def test_a_factor_of_the_rate_scales_every_update_of_its_parameter(name):
    """From equal parameters each first update is the factor times that of a run without; the others stay the same."""
    plain, _ = steps_of(Optimizer(name, 0.1, weight_decay=0.2))
    scaled, _ = steps_of(Optimizer(name, 0.1, weight_decay=0.2, rate_factors=(("kernel", 0.25),)))
    frozen, _ = steps_of(Optimizer(name, 0.1, weight_decay=0.2, rate_factors=(("kernel", 0.0),)))
    moved, whole = (np.asarray(after["kernel"][0]) - PARAMS["kernel"] for after in (scaled, plain))
    np.testing.assert_allclose(moved, 0.25 * whole, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(scaled["bias"], plain["bias"])
    np.testing.assert_array_equal(frozen["kernel"][-1], np.asarray(PARAMS["kernel"], np.float32))


def test_a_factor_holds_for_a_group_and_unknown_names_are_named():
    """A group's factor is that of all parameters in it, times their own; a name that is nowhere is an error."""
    params = {"cell": {"skew": jnp.ones(2), "bias": jnp.ones(2)}, "readout": {"bias": jnp.ones(2)}}
    chain = make_optimizer(Optimizer("sgd", 1.0, rate_factors=(("cell", 0.5), ("bias", 0.1))), 1)
    updates, _ = chain.update(params, chain.init(params), params)
    found = [
        float(updates[group][leaf][0]) for group, leaf in (("cell", "skew"), ("cell", "bias"), ("readout", "bias"))
    ]
    np.testing.assert_allclose(found, [-0.5, -0.05, -0.1], rtol=1e-6)
    with pytest.raises(InputError, match=r"rate_factors: got 'skw', expected one of bias, cell, readout, skew"):
        make_optimizer(Optimizer("sgd", 1.0, rate_factors=(("skw", 0.1),)), 1).init(params)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("name", "newton"),
        ("schedule", "linear"),
        ("clip", "always"),
        *((field, given) for field in ("learning_rate", "clip_threshold", "eps") for given in (0, -1.0, math.inf)),
        ("learning_rate", math.nan),
        ("learning_rate", "0.1"),
        ("decay_rate", 0.0),
        ("decay_steps", 0),
        ("warmup_steps", -1),
        ("weight_decay", -0.1),
        ("gradient_noise", math.nan),
        ("gradient_noise", None),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("b1", 1.0),
        ("decay", 0.0),
        ("decay", 1.0),
        ("decay", "much"),
        ("rate_factors", (("bias", -1.0),)),
        ("rate_factors", (("bias",),)),
        ("rate_factors", {"bias": 0.1}),
    ],
)
def test_a_bad_value_is_named(field, given):
    with pytest.raises(InputError) as raised:
        Optimizer(**{field: given})
    assert str(raised.value).startswith(f"Optimizer.{field}: got {given!r}, expected ")
