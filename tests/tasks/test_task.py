"""Laws that hold for every task and variant of the registry."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from rnnjax.errors import InputError
from rnnjax.tasks import (
    REGISTRY,
    Adding,
    CopyMemory,
    Digits,
    EmbeddedReber,
    FlipFlop,
    Latch,
    NoiseFreeLag,
    TemporalOrder,
    get,
)

ONE_OF_EACH = [
    Adding(30, "hs97"),
    CopyMemory(6, "selective", items=5),
    TemporalOrder(20, 3, "hs97"),
    Latch(20, "two_sequence", informative=2),
    Digits("row"),
    EmbeddedReber(14),
    NoiseFreeLag(6, "2b"),
    FlipFlop(12, pulse=0.25),
]


def test_shapes_and_dtypes_are_those_declared(task, draw):
    batch = draw(task)
    rows = len(batch.lengths)
    where = (rows,) if task.many_to_one else (rows, task.time)
    assert batch.inputs.shape == (rows, task.time, task.in_features) and batch.inputs.dtype == np.float32
    assert batch.mask.shape == where and batch.mask.dtype == np.float32
    assert batch.lengths.shape == (rows,) and batch.lengths.dtype == np.int32
    if np.issubdtype(batch.targets.dtype, np.integer):
        assert batch.targets.shape == where and batch.targets.dtype == np.int32
        assert 0 <= batch.targets.min() and batch.targets.max() < task.outputs
    else:
        assert batch.targets.shape == (*where, task.outputs) and batch.targets.dtype == np.float32


def test_dtypes_do_not_depend_on_64_bit_mode(task):
    shapes = jax.eval_shape(lambda: task.sample(jax.random.key(0), 4))
    with jax.enable_x64(True):
        wide = jax.eval_shape(lambda: task.sample(jax.random.key(0), 4))
    assert jax.tree.map(lambda leaf: leaf.dtype, wide) == jax.tree.map(lambda leaf: leaf.dtype, shapes)


def test_lengths_and_padding(task, draw):
    batch = draw(task)
    assert 1 <= batch.lengths.min() and batch.lengths.max() == task.time
    assert (batch.lengths.min() < task.time) == task.variable_length
    padding = np.arange(task.time) >= batch.lengths[:, None]
    assert not batch.inputs[padding].any()
    assert set(np.unique(batch.mask)) <= {0, 1}
    if task.many_to_one:
        assert batch.mask.all()
    else:
        assert not batch.mask[padding].any() and batch.mask.any(1).all()


def test_a_sample_is_a_function_of_its_key(task, draw):
    again = task.sample(jax.random.key(0), len(draw(task).lengths))
    jax.tree.map(np.testing.assert_array_equal, again, draw(task))
    assert not np.array_equal(draw(task, 1).inputs, draw(task).inputs)


@pytest.mark.parametrize("task", ONE_OF_EACH, ids=lambda task: task.name)
def test_under_jit_and_in_a_smaller_batch_rows_are_the_same(task, draw):
    few = jax.jit(lambda key: task.sample(key, 8))(jax.random.key(0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[:8], rtol=1e-6, atol=1e-7), few, draw(task))


def test_a_sampler_compiles_into_a_larger_program(task):
    traced = jax.jit(lambda key: task.sample(key, 8).inputs.sum()).trace(jax.random.key(0))
    assert traced.out_info.shape == ()


def test_splits_differ(task):
    size = 10_000
    validation, test = task.evaluation("validation", size), task.evaluation("test", size)
    assert not np.array_equal(validation.inputs, test.inputs)
    jax.tree.map(np.testing.assert_array_equal, task.evaluation("test", size), test)
    key = jax.random.key(3)
    draws = [task.sample(key, size, split).inputs for split in ("train", "validation", "test")]
    assert not any(np.array_equal(draws[i], draws[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_an_oracle_solves_the_task(task, draw, oracle, measure):
    batch = draw(task)
    metrics, solved, _ = measure(task, oracle(task, batch), batch)
    assert {"loss", task.metric} <= set(metrics)
    assert all(np.shape(value) == () for value in metrics.values())
    np.testing.assert_allclose(metrics["loss"], 0, atol=1e-6)
    np.testing.assert_allclose(metrics[task.metric], 1 if task.mode == "max" else 0, atol=1e-6)
    assert solved.dtype == bool and solved.shape == () and solved


def test_outputs_where_nothing_counts_do_not_matter(task, draw, oracle, measure):
    batch = draw(task)
    half = (np.arange(len(batch.mask)) % 2).astype(np.float32).reshape(-1, *[1] * (batch.mask.ndim - 1))
    batch = batch._replace(mask=batch.mask * half)
    outputs = oracle(task, batch) / 100
    spoiled = np.where(batch.mask[..., None] > 0, outputs, np.nan)
    metrics, same = measure(task, outputs, batch)[0], measure(task, spoiled, batch)[0]
    jax.tree.map(np.testing.assert_array_equal, metrics, same)


def test_nan_solves_nothing(task, draw, oracle, measure):
    batch = draw(task)
    assert not measure(task, np.nan * oracle(task, batch), batch)[1]


def test_the_loss_has_a_gradient_and_metrics_are_scalars_under_jit(task):
    batch = jax.eval_shape(lambda: task.sample(jax.random.key(0), 4))
    outputs = jax.ShapeDtypeStruct((*batch.mask.shape, task.outputs), np.float32)
    assert jax.eval_shape(jax.grad(task.loss), outputs, batch).shape == outputs.shape
    solved = jax.eval_shape(lambda *args: task.solved(task.metrics(*args)), outputs, batch)
    assert solved.dtype == bool


def test_a_task_is_a_configuration(task):
    written = json.dumps(dataclasses.asdict(task))
    again = get(task.name, **json.loads(written))
    assert again == task and hash(again) == hash(task)
    assert all(value is None or type(value) in (int, float, str, bool) for value in dataclasses.asdict(task).values())
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.length = 3


def test_every_task_is_documented_and_every_variant_has_a_source(task):
    assert REGISTRY[task.name] is type(task)
    assert task.source and type(task).__doc__ and task.mode in ("min", "max")
    if "variant" in vars(task):
        assert task.variants[task.variant] and f"`{task.variant}`" in str(type(task).__doc__)


def test_errors_name_the_argument(task):
    key = jax.random.key(0)
    batch = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(lambda: task.sample(key, 4)))
    outputs = np.zeros((*batch.mask.shape, task.outputs), np.float32)
    for argument, call in {
        "batch_size": lambda: task.sample(key, 0),
        "split": lambda: task.sample(key, 4, "valid"),
        "size": lambda: task.evaluation("test", 0),
        "outputs": lambda: task.metrics(outputs[..., :-1], batch),
    }.items():
        with pytest.raises(InputError) as error:
            call()
        assert error.value.argument == argument
    with pytest.raises(InputError, match="split"):
        task.evaluation("train")
    with pytest.raises(InputError, match="outputs"):
        task.loss(outputs[..., 0], batch)
