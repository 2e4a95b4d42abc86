"""On several devices, with the runs split over them, the batch, or both, runs are those of one device."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from compiler import FLAGS

from rnnjax import InputError
from rnnjax.training import mesh_of, split_over_devices, train

SCRIPT = pathlib.Path(__file__).with_name("eight_devices.py")
LAWS = ("both_split", "pmap_splits", "refused")
EIGHT = f"--xla_force_host_platform_device_count=8 {FLAGS}"


def tried(out, *names):
    """What is wrong with each law, in a process with eight devices."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "XLA_FLAGS": EIGHT, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, SCRIPT, out, *names], env=environment, check=True, timeout=1800)
    return json.loads((out / "laws.json").read_text())


@pytest.fixture(scope="module")
def in_brief(tmp_path_factory):
    """All the laws in brief in one process: each would start it and compile the run on one device again."""
    found = tried(tmp_path_factory.mktemp("mesh"))
    assert tuple(found) == LAWS
    return found


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_law(law, in_brief):
    assert not in_brief[law], in_brief[law]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_laws_in_full(tmp_path):
    for law, wrong in tried(tmp_path, "in_full").items():
        assert not wrong, f"{law}: {wrong}"


@pytest.mark.parametrize("devices", [0, -1, 1000, 1.0, True, "two", (1,), (1, 0), (1, 1, 1), (1, 1000), None])
def test_devices_that_are_not_there_are_refused(devices, small, tmp_path):
    out = tmp_path / "run"
    for call in (lambda: mesh_of(devices, small(), 1), lambda: train(small(), out=out, devices=devices)):
        with pytest.raises(InputError, match="devices: got"):
            call()
    assert not out.exists()


@pytest.mark.parametrize("devices", [0, -1, 1000])
def test_pmap_is_refused_devices_that_are_not_there(devices, small):
    with pytest.raises(InputError, match=f"devices: got {devices}, expected a number of devices in 1"):
        split_over_devices(small(), devices)


def test_one_device_needs_no_mesh(small):
    assert mesh_of(1, small(), 3) is None and mesh_of((1, 1), small(), 3) is None
