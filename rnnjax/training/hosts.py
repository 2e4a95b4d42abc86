"""Several processes that train together, on one machine or many: who writes, and what all of them have to know."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from rnnjax.errors import InputError, check

PyTree = Any

_PLATFORMS = "jax_platforms"


def connect(
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: int = 300,
) -> None:
    """Joins this process with the others of a training, before anything is computed: `jax.distributed.initialize`.

    Without arguments JAX finds them itself: under SLURM, Open MPI, Kubernetes and on TPU pods. On CPUs the processes
    talk to each other through gloo.

    Args:
      coordinator: "HOST:PORT" of the first process, which the others connect to.
      processes: how many there are.
      process_id: the number of this one, from 0 on.
      timeout: seconds to wait for the others.

    Raises:
      InputError: some of the three without the others, or numbers out of range; nothing found where nothing was given;
        no connection in time.
    """
    given = (coordinator, processes, process_id)
    known = [value is not None for value in given]
    check(all(known) or not any(known), "coordinator", given, "HOST:PORT, processes and process_id, or none of them")
    if coordinator is not None and processes is not None and process_id is not None:
        host, _, port = coordinator.rpartition(":")
        check(bool(host) and port.isdecimal(), "coordinator", coordinator, "HOST:PORT")
        check(processes > 0, "processes", processes, "a positive int")
        check(0 <= process_id < processes, "process_id", process_id, f"an int in 0..{processes - 1}")
    if "cpu" in (getattr(jax.config, _PLATFORMS) or "cpu"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(coordinator, processes, process_id, initialization_timeout=timeout)
    except ValueError as error:  # nothing that JAX knows has started this process
        expected = "a cluster that JAX knows (SLURM, Open MPI, Kubernetes, a TPU pod), or a coordinator"
        raise InputError("distributed", str(error).strip().rstrip("."), expected) from None
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise InputError("coordinator", coordinator, f"one that answers ({reason})") from None


def spans_hosts(mesh: Mesh | None) -> bool:
    """Whether devices of several processes are in a mesh."""
    return mesh is not None and len({device.process_index for device in mesh.devices.flat}) > 1


def is_first() -> bool:
    """Whether this process is the first of those that train together, or the only one."""
    return jax.process_index() == 0


def laid_out(tree: PyTree, shardings: PyTree) -> PyTree:
    """Arrays, equal in every process, laid over the devices of a mesh.

    Args:
      tree: arrays that this process holds.
      shardings: a sharding for each, or for each part of the tree.
    """
    leaves = jax.tree.leaves(shardings)
    if not leaves or all(sharding.is_fully_addressable for sharding in leaves):
        return jax.device_put(tree, shardings)

    def lay(sharding, part):
        return jax.tree.map(lambda leaf: _from_all(leaf, sharding), part)

    return jax.tree.map(lay, shardings, tree)


def _from_all(leaf: Any, sharding: Any) -> jax.Array:
    """What `jax.device_put` does, without asking the other processes whether they hold the same."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(_from_all(jax.random.key_data(leaf), sharding))
    values = np.asarray(leaf)
    return jax.make_array_from_callback(values.shape, sharding, lambda index: values[index])


def held_here(tree: PyTree) -> PyTree:
    """Arrays of which every device holds the whole, as arrays of one device of this process; others as they are."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if leaf.is_fully_replicated else leaf, tree)


def from_first(make: Callable[[], tuple[Any, PyTree]], like: PyTree) -> tuple[Any, PyTree]:
    """What the first process makes, in all of them: what it reads, the others need not be able to read.

    Args:
      make: called in the first process alone. It returns what can be written as JSON, and a pytree or `None`.
      like: what that pytree is like, arrays or abstract ones.

    Raises:
      InputError: what `make` raised, in every process.
    """
    failure, tree = None, None
    note: dict[str, Any] = {}
    if is_first():
        try:
            value, tree = make()
            note = {"value": value, "tree": tree is not None}
        except Exception as error:  # whatever it is, the others must not wait for the first
            failure = error
            note = {"error": str(error), "argument": getattr(error, "argument", type(error).__name__)}
    note = json.loads(_from_first(json.dumps(note).encode()))
    if failure is not None:
        raise failure
    if "error" in note:
        raise FirstFailed(note["error"], note["argument"])
    return note["value"], _tree_of_first(tree, like) if note["tree"] else None


class FirstFailed(InputError):
    """What the first process found wrong, in another one.

    Args:
      message: of the first process.
      argument: that it named.
    """

    def __init__(self, message: str, argument: str):
        ValueError.__init__(self, message)
        self.argument = argument


def of_any(number: int | None) -> int | None:
    """The largest of the numbers > 0 that processes have, `None` where none has one; all ask at the same time."""
    from jax.experimental import multihost_utils

    own = np.asarray(number or 0, np.int32)
    return int(np.max(np.asarray(multihost_utils.process_allgather(own)))) or None


@contextlib.contextmanager
def in_step(together: bool = True) -> Iterator[None]:
    """Around what each process does by itself: where it fails in one it fails in all, and none waits for another.

    Args:
      together: whether there are others; if not, this does nothing.

    Raises:
      OtherFailed: at the end, where it failed in another process.
    """
    if not together:
        yield
        return
    failure = None
    try:
        yield
    except BaseException as error:
        failure = error
    failed = of_any(None if failure is None else jax.process_index() + 1)
    if failure is not None:
        raise failure
    if failed is not None:
        raise OtherFailed(failed - 1)


class OtherFailed(RuntimeError):
    """Another process of a training could not go on; it says itself why.

    Args:
      process: its number.
    """

    def __init__(self, process: int):
        super().__init__(f"process {process} could not go on")
        self.process = process


def wait_for_all(place: str) -> None:
    """Returns when every process has come to this place."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(place)


def _tree_of_first(tree: PyTree, like: PyTree) -> PyTree:
    """As bytes, since a sum with zeros, which is what a broadcast is, does not keep the sign of a zero."""
    shapes, structure = jax.tree.flatten(jax.eval_shape(_without_keys, like))
    held = jax.tree.leaves(_without_keys(tree)) if is_first() else []
    data = _from_first(b"".join(np.asarray(leaf).tobytes() for leaf in held))
    leaves, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape.shape) * shape.dtype.itemsize
        leaves.append(jnp.asarray(np.frombuffer(data[start:stop], shape.dtype).reshape(shape.shape)))
        start = stop
    return jax.tree.map(_with_key, jax.tree.unflatten(structure, leaves), like)


def _from_first(data: bytes) -> bytes:
    from jax.experimental import multihost_utils

    size = int(multihost_utils.broadcast_one_to_all(np.asarray(len(data), np.int32)))
    sent = np.frombuffer(data, np.uint8) if is_first() else np.zeros(size, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(sent), np.uint8).tobytes()


def _is_key(leaf: Any) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _with_key(leaf: Any, like: Any) -> jax.Array:
    return jax.random.wrap_key_data(leaf) if _is_key(like) else leaf
