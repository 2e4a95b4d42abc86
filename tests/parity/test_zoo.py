"""Cells of the zoo agree with the packages that compute their papers' equations."""

from __future__ import annotations

import importlib
import importlib.util
import pathlib

import jax
import numpy as np
import pytest
from parity.zoo import golden

from rnnjax import unroll
from rnnjax.cells import REGISTRY

FAMILIES: tuple[str, ...] = ("gru_family", "simple_gated", "stable", "lstm_family", "linear", "memory")
CONSTRAINTS = pathlib.Path(__file__).parents[2] / "constraints.txt"
TOLERANCE = 1e-10  # some thousand roundings of float64, in gradients through exponentials

CASES = {
    (family, name): case
    for family in FAMILIES
    for name, case in importlib.import_module(f"parity.zoo.{family}").CASES.items()
}


def made_by(family, library, source):
    """The golden file of a library, or what the library computes now."""
    if source == "live":
        pytest.importorskip(library, reason=f"{library} is not installed: the golden file alone is compared")
        return importlib.import_module(f"parity.zoo.make_{family}").LIBRARIES[library]()
    with np.load(golden.FOLDER / f"{family}_{library}.npz") as file:
        return {name: file[name] for name in file.files}


def part(made, prefix):
    return {name.removeprefix(prefix): array for name, array in made.items() if name.startswith(prefix)}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("source", ["golden", "live"])
@pytest.mark.parametrize(("family", "name"), CASES, ids=lambda value: value)
def test_cell_agrees(family, name, source):
    """Outputs, final states, and gradients of weights, inputs and states agree in float64."""
    case = CASES[family, name]
    made = part(made_by(family, case.library, source), f"{name}/")
    state = type(case.cell.initial_carry())
    carry = [made[f"carry/{index}"] for index in range(len(state._fields))]
    pulls = golden.draws(2, [made["ys"].shape, *(leaf.shape for leaf in carry)])

    def loss(weights, xs, carry):
        final, ys = unroll(case.cell, case.converted(weights), xs, state(*carry), engine="scan")
        leaves = [ys, *final]
        return sum((leaf * pull).sum() for leaf, pull in zip(leaves, pulls, strict=True)), (final, ys)

    evaluate = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))
    (of_weights, of_xs, of_carry), (final, ys) = evaluate(part(made, "weights/"), made["xs"], carry)
    ours = {"ys": ys, "gradients/xs": of_xs} | {f"gradients/{name}": leaf for name, leaf in of_weights.items()}
    for index, (leaf, gradient) in enumerate(zip(final, of_carry, strict=True)):
        ours |= {f"final/{index}": leaf, f"gradients/carry/{index}": gradient}
    assert set(ours) == {name for name in made if name.startswith(("ys", "final/", "gradients/"))}
    for name, array in ours.items():
        assert array.dtype == np.float64, name
        assert np.any(made[name]) != (name.removeprefix("gradients/") in case.constant), name
        np.testing.assert_allclose(array, made[name], rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def pinned(package):
    """A package that the tests run live, with the version they are run with."""
    line = next(line for line in CONSTRAINTS.read_text().splitlines() if line.startswith(f"{package}=="))
    return line.replace("==", " ")


def kept(package, file):
    """A package whose numbers are in a file, with its version."""
    with np.load(golden.FOLDER.parent / f"{file}.npz") as made:
        return f"{package} {made['version']}"


def of_the_textbook():
    """What `test_torch.py` and its neighbours compare."""
    torch, keras = kept("torch", "torch"), kept("keras", "keras")
    flax, haiku, equinox = map(pinned, ("flax", "dm-haiku", "equinox"))
    minimal = kept("minGRU-pytorch", "minGRU_pytorch")
    return {
        "elman": {torch, keras, flax, haiku},
        "lstm": {torch, keras, flax, haiku, equinox},
        "gru": {torch, keras, flax, haiku, equinox},
        "min_gru": {minimal},
        "min_lstm": {minimal},
        "rg_lru": {kept("recurrentgemma", "recurrentgemma")},
    }


def test_what_a_class_says_of_its_verification_is_what_is_compared():
    """`verified` names the packages, with the versions in the golden files, that a cell is held against; no others."""
    compared = of_the_textbook()
    for (family, name), case in CASES.items():
        package = {"haiku": "dm-haiku"}.get(case.library, case.library)  # as it is installed
        library = f"{package} {made_by(family, case.library, 'golden')['version']}"
        compared.setdefault(case.name or name, set()).add(library)
    assert {name: set(cell.verified) for name, cell in REGISTRY.items()} == {
        name: compared.get(name, set()) for name in REGISTRY
    }
    assert set(compared) <= set(REGISTRY)
