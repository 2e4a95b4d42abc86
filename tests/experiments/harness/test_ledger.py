"""A run that was cut off goes on with what is missing."""

import numpy as np
import pytest

from experiments.harness.jobs import run_jobs
from experiments.harness.ledger import Ledger


def square(number):
    if number == 2:
        raise KeyboardInterrupt
    return {"square": np.full((2, 3), number**2, np.float32), "tuple": (number, None)}


def cube(number):
    return number**3


def refuse(number):
    raise AssertionError(f"{number} has run again")


def test_finished_jobs_do_not_run_again(tmp_path):
    jobs = [(0,), (1,), (2,), (3,)]
    with pytest.raises(KeyboardInterrupt):
        list(run_jobs(square, jobs, 1, tmp_path))
    kept = dict(run_jobs(refuse, jobs[:2], 1, tmp_path))
    assert kept[1,]["square"].dtype == np.float32 and kept[1,]["tuple"] == [1, None]
    np.testing.assert_array_equal(kept[1,]["square"], np.ones((2, 3)))
    with pytest.raises(AssertionError, match="2 has run again"):
        list(run_jobs(refuse, jobs, 1, tmp_path))


def test_arrays_come_back_to_the_last_bit(tmp_path):
    values = np.array([[np.nan, -np.inf, 1e-45], [0.1, -0.0, np.pi]], np.float32)
    ledger = Ledger(tmp_path)
    ledger.write(("job", square), {"values": values, "scalar": np.float64(0.1), "count": np.int64(3)}, 1.5)
    ledger.write(("other",), [1], 2.0)
    entry = ledger.read(("job", square))
    assert entry is not None and entry["outcome"]["values"].tobytes() == values.tobytes()
    assert entry["outcome"]["scalar"] == 0.1 and entry["outcome"]["count"] == 3
    assert ledger.seconds() == 3.5
    assert ledger.read(("another",)) is None


def test_what_cannot_be_kept_is_refused(tmp_path):
    with pytest.raises(TypeError, match="object"):
        Ledger(tmp_path).write(("job",), {"thing": object()}, 0.0)
    assert not list(tmp_path.glob("*.json"))
