"""One run with each batch split over eight devices is the run on one."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.training import evaluate_run, split_over_devices, train

SCRIPT = pathlib.Path(__file__).with_name("eight_devices.py")


@pytest.mark.slow
def test_eight_devices_are_one(tmp_path):
    """Parameters, carries and metrics agree to 1e-5, with windows, noise, per-step losses and rows of any length."""
    flags = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"  # compiles twice as fast
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, SCRIPT, tmp_path], env=environment, check=True, timeout=600)
    for name in ("windows", "each_step"):
        one, eight = (np.load(tmp_path / f"{name}-{devices}.npz") for devices in (1, 8))
        assert set(one) == set(eight) and ".params['cell']['kernel']" in one
        assert any(path.startswith(".carry") for path in one) == (name == "windows")
        for path in one:
            np.testing.assert_allclose(eight[path], one[path], rtol=1e-5, atol=1e-5, err_msg=path)
        one, eight = (json.loads((tmp_path / f"{name}-{devices}.json").read_text()) for devices in (1, 8))
        assert [record["step"] for record in one] == [6, 12]
        for a, b in zip(one, eight, strict=True):
            assert a.pop("seconds") and b.pop("seconds")
            assert b.pop("validation") == pytest.approx(a.pop("validation"), rel=1e-5, abs=1e-5)
            assert b == pytest.approx(a, rel=1e-5)

    # What eight devices saved, eight take up again, and one evaluates.
    whole, resumed = (np.load(tmp_path / f"windows-{end}.npz") for end in (8, "resumed"))
    for path in whole:
        np.testing.assert_array_equal(resumed[path], whole[path], err_msg=path)
    [row], step = evaluate_run(tmp_path / "run", "validation", "latest")
    recorded = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert step == recorded["step"] == 12
    assert row == pytest.approx({"seed": 0, **recorded["validation"]}, rel=1e-5, abs=1e-5)

    assert (tmp_path / "error.txt").read_text() == "devices: got 3, expected a divisor of batch_size=8"


@pytest.mark.parametrize("devices", [0, -1, 1000])
def test_a_number_of_devices_that_is_not_there_is_refused(devices, small):
    for call in (lambda: split_over_devices(small(), devices), lambda: train(small(), devices=devices)):
        with pytest.raises(InputError, match=f"devices: got {devices}, expected a number of devices in 1"):
            call()
