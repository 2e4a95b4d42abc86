"""Optax chains from a typed configuration: clipping, noise, weight decay, optimiser, schedule."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax.errors import check, check_choice

Array = jax.Array
PyTree = Any


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """How gradients become updates: clip -> add noise -> optimiser -> decay -> learning rate.

    Args:
      name: "sgd", "momentum", "rmsprop", "adam" or "adamw".
      learning_rate: the peak of the schedule.
      schedule: "constant"; "step" (times `decay_rate` every `decay_steps` updates); "exponential" (the same, smoothly);
        "cosine" (to zero after the last update; Loshchilov & Hutter 2017, arXiv:1608.03983).
      warmup_steps: updates over which the rate rises linearly from zero.
      decay_steps: period of "step" and "exponential", in updates.
      decay_rate: factor of "step" and "exponential".
      clip: "none"; "norm" rescales the whole gradient to a global norm of at most `clip_threshold` (Pascanu et al.
        2013, arXiv:1211.5063); "value" clips each entry; "adaptive" bounds each unit's gradient by its weights' norm
        (Brock et al. 2021, arXiv:2102.06171).
      clip_threshold: the bound of the clipping.
      momentum: of "momentum" (0.9 where left at 0) and "rmsprop" (0).
      decay: of the second moment: b2 of Adam (0.999 where `None`), decay of RMSprop (0.9 where `None`).
      b1: of Adam.
      eps: of Adam and RMSprop.
      weight_decay: decay of kernels, not of biases: decoupled in "adamw" (Loshchilov & Hutter 2019, arXiv:1711.05101),
        added to the gradient (L2) in the others.
      gradient_noise: eta of Gaussian gradient noise with variance eta / (1 + t)^0.55 (Neelakantan et al. 2015,
        arXiv:1511.06807).
      rate_factors: pairs of a parameter's name, or that of a group ("cell", "readout"), and what its learning rate is
        multiplied with: `(("skew", 0.1),)` gives the orthogonal matrix of an ExpRNN a tenth of the others' rate. Where
        several names lie above a parameter, their factors are multiplied; 0 keeps a parameter as it is.

    Raises:
      InputError: an unknown name, or a number out of range. That a model has a parameter of each name in `rate_factors`
        is checked as its training starts.
    """

    name: str = "adam"
    learning_rate: float = 1e-3
    _: dataclasses.KW_ONLY
    schedule: str = "constant"
    warmup_steps: int = 0
    decay_steps: int = 1000
    decay_rate: float = 0.5
    clip: str = "none"
    clip_threshold: float = 1.0
    momentum: float = 0.0
    decay: float | None = None
    b1: float = 0.9
    eps: float = 1e-8
    weight_decay: float = 0.0
    gradient_noise: float = 0.0
    rate_factors: tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        check_choice("Optimizer.name", self.name, ("sgd", "momentum", "rmsprop", "adam", "adamw"))
        check_choice("Optimizer.schedule", self.schedule, ("constant", "step", "exponential", "cosine"))
        check_choice("Optimizer.clip", self.clip, ("none", "norm", "value", "adaptive"))
        for field in ("learning_rate", "clip_threshold", "eps", "decay_rate", "decay_steps"):
            given = getattr(self, field)
            check(_is_number(given) and 0 < given < float("inf"), f"Optimizer.{field}", given, "a number > 0")
        for field in ("warmup_steps", "weight_decay", "gradient_noise"):
            given = getattr(self, field)
            check(_is_number(given) and 0 <= given < float("inf"), f"Optimizer.{field}", given, "a number >= 0")
        for field in ("momentum", "b1"):
            given = getattr(self, field)
            check(_is_number(given) and 0 <= given < 1, f"Optimizer.{field}", given, "a number in [0, 1)")
        valid = self.decay is None or (_is_number(self.decay) and 0 < self.decay < 1)
        check(valid, "Optimizer.decay", self.decay, "a number in (0, 1), or None")
        given = self.rate_factors
        valid = isinstance(given, tuple) and all(map(_is_rate_factor, given))
        check(valid, "Optimizer.rate_factors", given, "pairs of a parameter's name and a number >= 0")

    @property
    def rates(self) -> Rates:
        """The numbers that a compiled program takes as arguments; without clipping the threshold is infinite."""
        threshold = math.inf if self.clip == "none" else self.clip_threshold
        numbers_ = (self.learning_rate, threshold, self.weight_decay, self.gradient_noise)
        return Rates(*(jnp.asarray(number, jnp.result_type(float)) for number in numbers_))

    @property
    def dynamics(self) -> Optimizer:
        """The optimiser without its rates: equal for runs that can share one compiled program."""
        return dataclasses.replace(
            self,
            learning_rate=1.0,
            clip="norm" if self.clip == "none" else self.clip,
            clip_threshold=1.0,
            weight_decay=float(self.weight_decay > 0),
            gradient_noise=float(self.gradient_noise > 0),
        )


class Rates(NamedTuple):
    """The numbers of an optimiser that do not change the program: part of the state, so that runs share it.

    Attributes:
      learning_rate: the peak of the schedule.
      clip_threshold: infinite without clipping.
      weight_decay: 0 without.
      gradient_noise: 0 without.
    """

    learning_rate: Array
    clip_threshold: Array
    weight_decay: Array
    gradient_noise: Array


def schedule(config: Optimizer, steps: int, peak: Array | None = None) -> optax.Schedule:
    """The learning rate by update, for a run of `steps` updates; `peak` in the place of the configuration's."""
    highest = config.learning_rate if peak is None else peak
    share = _share(config, steps)
    return lambda count: highest * share(count)


def _share(config: Optimizer, steps: int) -> optax.Schedule:
    """The learning rate by update as a share of its peak."""
    main = {
        "constant": lambda: optax.constant_schedule(1.0),
        "step": lambda: optax.exponential_decay(1.0, config.decay_steps, config.decay_rate, staircase=True),
        "exponential": lambda: optax.exponential_decay(1.0, config.decay_steps, config.decay_rate),
        "cosine": lambda: optax.cosine_decay_schedule(1.0, max(steps - config.warmup_steps, 1)),
    }[config.schedule]()
    if not config.warmup_steps:
        return main
    return optax.join_schedules([optax.linear_schedule(0.0, 1.0, config.warmup_steps), main], [config.warmup_steps])


class ClipState(NamedTuple):
    """State of the clipping; `clipped` is whether the last gradient was changed by it."""

    inner: optax.OptState
    clipped: Array


def noting_clips(clip: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same clipping, with a note in its state of whether it changed the last gradient."""

    def init(params):
        return ClipState(clip.init(params), jnp.zeros((), bool))

    def update(updates, state, params=None):
        clipped, inner = clip.update(updates, state.inner, params)
        changed = [jnp.any(a != b) for a, b in zip(jax.tree.leaves(clipped), jax.tree.leaves(updates), strict=True)]
        return clipped, ClipState(inner, jnp.any(jnp.stack(changed)))

    return optax.GradientTransformation(init, update)


def make_optimizer(
    config: Optimizer, steps: int, key: Array | None = None, rates: Rates | None = None
) -> optax.GradientTransformation:
    """The Optax chain of a configuration, for a run of `steps` updates.

    Args:
      config: what the chain is made of.
      steps: the number of updates.
      key: seeds the gradient noise; the chain keeps it in its state from `init` on, so that updates need none.
      rates: the numbers to use in the place of those of `config`, such as arguments of a compiled function.
    """
    rates = config.rates if rates is None else rates
    threshold: Any = rates.clip_threshold
    clip = {
        "none": lambda: optax.clip_by_global_norm(threshold),
        "norm": lambda: optax.clip_by_global_norm(threshold),
        "value": lambda: optax.clip(threshold),
        "adaptive": lambda: optax.adaptive_grad_clip(threshold),
    }[config.clip]()
    rule = {
        "sgd": optax.identity,
        "momentum": lambda: optax.trace(config.momentum or 0.9),
        "rmsprop": lambda: _rmsprop(config),
        "adam": lambda: optax.scale_by_adam(config.b1, config.decay or 0.999, config.eps),
        "adamw": lambda: optax.scale_by_adam(config.b1, config.decay or 0.999, config.eps),
    }[config.name]()
    chain = [noting_clips(_in_dtype(clip))]
    if config.gradient_noise:
        noise: Any = rates.gradient_noise
        chain.append(_in_dtype(optax.add_noise(noise, 0.55, jax.random.key(0) if key is None else key)))
    decays = _in_dtype(optax.add_decayed_weights(rates.weight_decay, mask=_kernels))
    decay = [decays] if config.weight_decay else []
    chain += [rule, *decay] if config.name == "adamw" else [*decay, rule]
    chain += [scale_by_name(dict(config.rate_factors))] if config.rate_factors else []
    return optax.chain(*chain, optax.scale_by_learning_rate(schedule(config, steps, rates.learning_rate)))


def scale_by_name(factors: dict[str, float]) -> optax.GradientTransformation:
    """Multiplies the updates of named parameters, or of all parameters in a named group, by a factor each.

    Raises:
      InputError: from `init`, a name that no parameter and no group has.
    """

    def init(params):
        names = {name for path, _ in jax.tree_util.tree_leaves_with_path(params) for name in _names(path)}
        for name in factors:
            check(name in names, "Optimizer.rate_factors", name, "one of " + ", ".join(sorted(names)))
        return optax.EmptyState()

    def update(updates, state, params=None):
        del params

        def scale(path, leaf):
            return leaf * math.prod(factors.get(name, 1.0) for name in _names(path))

        return jax.tree_util.tree_map_with_path(scale, updates), state

    return optax.GradientTransformation(init, update)


def _in_dtype(transform: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same, computed in the dtype of the rates where that is wider; updates keep the dtypes that they came in."""

    def update(updates, state, params=None):
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.promote_types(leaf.dtype, jnp.result_type(float))), updates)
        changed, state = transform.update(wide, state, params)
        return jax.tree.map(lambda new, old: new.astype(old.dtype), changed, updates), state

    return optax.GradientTransformation(transform.init, update)


def _names(path: tuple[Any, ...]) -> list[str]:
    return [str(getattr(entry, "key", getattr(entry, "name", entry))) for entry in path]


def _rmsprop(config: Optimizer) -> optax.GradientTransformation:
    scale = optax.scale_by_rms(config.decay or 0.9, config.eps)
    return optax.chain(scale, optax.trace(config.momentum)) if config.momentum else scale


def _is_number(given: Any) -> bool:
    return isinstance(given, numbers.Real) and not isinstance(given, bool)


def _is_rate_factor(given: Any) -> bool:
    pair = isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str) and _is_number(given[1])
    return pair and 0 <= given[1] < float("inf")


def _kernels(params: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: leaf.ndim >= 2, params)


def clipped(opt_state: optax.OptState) -> Array:
    """Whether the last gradient was changed by the clipping."""
    return next(part.clipped for part in jax.tree.leaves(opt_state, is_leaf=_is_clip) if _is_clip(part))


def _is_clip(part: Any) -> bool:
    return isinstance(part, ClipState)
