"""Runs spread over devices are the runs alone."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from compiler import FLAGS

SCRIPT = pathlib.Path(__file__).with_name("sharded_grid.py")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_runs_on_four_devices_are_runs_alone(tmp_path):
    """To the last bit, with runs that do not divide by the devices and some that diverge; and no device waits for
    another: the program has no collectives."""
    flags = f"--xla_force_host_platform_device_count=4 {FLAGS}"
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    words = [sys.executable, SCRIPT, tmp_path / "grid"]
    found = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr
    assert "equal" in found.stdout
