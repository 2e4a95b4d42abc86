"""Series from CSV files: what is read, what is missing, which line is wrong; splits in the order of time."""

import gzip

import numpy as np
import pytest

from rnnjax.data.series import Standardiser, chronological, read_series
from rnnjax.errors import InputError

ROWS = ["time,sales,holiday,note", "2020-01-01,10,FALSE,a", "2020-01-02,NA,TRUE,b", "2020-01-03,12.5,FALSE,"]


def write(folder, lines, name="sales.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_columns_are_read_in_the_order_asked_for(tmp_path):
    """Numbers, and TRUE and FALSE; a missing cell is NaN where that was asked for; other columns may hold text."""
    found = read_series(write(tmp_path, ROWS), ["holiday", "sales"], missing="mask")
    np.testing.assert_array_equal(found.values, [[0, 10], [1, np.nan], [0, 12.5]])
    assert found.columns == ("holiday", "sales") and found.times == ()


def test_a_compressed_file_is_the_file(tmp_path):
    plain = read_series(write(tmp_path, ROWS), ["sales"], missing="mask")
    (tmp_path / "zipped.csv.gz").write_bytes(gzip.compress((tmp_path / "sales.csv").read_bytes()))
    zipped = read_series(tmp_path / "zipped.csv.gz", ["sales"], missing="mask")
    np.testing.assert_array_equal(plain.values, zipped.values)


@pytest.mark.parametrize("cell", ["", "NA", "nan", "NaN", "null", " ? "])
def test_a_missing_cell_is_an_error_unless_masked(tmp_path, cell):
    path = write(tmp_path, ["t,y", "1,2", f"2,{cell}", "3,4"])
    with pytest.raises(InputError, match=r"sales\.csv, line 3: .*column 'y'"):
        read_series(path, ["y"])
    assert np.isnan(read_series(path, ["y"], missing="mask").values[:, 0]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        ([""], {}, r"sales\.csv: got 'an empty file'"),
        (["t,y"], {}, r"sales\.csv: got 'no rows'"),
        (["t,y", "1,2", "2,3,4"], {}, r"sales\.csv, line 3: got '3 cells', expected 2"),
        (["t,y", "1,2", "2,warm"], {"missing": "mask"}, r"sales\.csv, line 3: got 'warm'"),
        (["t,y", "1,2", "2,inf"], {"missing": "mask"}, r"sales\.csv, line 3: got 'inf'"),
        (["t,x", "1,2"], {}, r"column: got 'y', expected a column of sales\.csv: t, x"),
        (["y,y", "1,2"], {}, "once"),
        (["t,y", '1,"2'], {}, r"sales\.csv, line"),
        (["t,y", "2020-01-01,2", "soon,3"], {"date": "t"}, r"sales\.csv, line 3: got 'soon'"),
        (["t,y", "2,2", "1,3"], {"date": "t"}, r"sales\.csv, line 3: .*order of time"),
        (["t,y", "1,2", "2,2", "3,2", "5,2"], {"date": "t"}, r"sales\.csv, line 5: got '1 missing rows"),
        (["t,y", "1,2", "2,2", "3,2", "4.5,2"], {"date": "t", "missing": "mask"}, r"line 5: got '1.5 times"),
        (["t,y", "1,2"], {"where": "t=3"}, "where: got 't=3'"),
        (["t,y", "1,2"], {"where": "t"}, "COLUMN=VALUE"),
        (["t,y", "1,2"], {"missing": "drop"}, "missing: got 'drop'"),
    ],
)
def test_bad_files_are_one_error_with_file_and_line(tmp_path, lines, options, words):
    with pytest.raises(InputError, match=words):
        read_series(write(tmp_path, lines), ["y"], **options)


def test_no_file_and_a_wrong_encoding_are_one_error(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_series(tmp_path / "nowhere.csv", ["y"])
    (tmp_path / "latin.csv").write_bytes("t,y\n1,2\n2,3°\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.csv, line 3"):
        read_series(tmp_path / "latin.csv", ["y"])


def test_rows_that_are_not_there_are_put_in_as_missing(tmp_path):
    """Months differ in length, and are equal steps all the same."""
    months = ["2020-01-01", "2020-02-01", "2020-03-01", "2020-05-01", "2020-06-01"]
    path = write(tmp_path, ["m,y", *(f"{month},{row}" for row, month in enumerate(months))])
    found = read_series(path, ["y"], date="m", missing="mask")
    np.testing.assert_array_equal(found.values[:, 0], [0, 1, 2, np.nan, 3, 4])
    assert found.times == (*months[:3], "", *months[3:])


def test_one_of_several_series_in_a_file(tmp_path):
    path = write(tmp_path, ["city,t,y", "A,1,1", "A,2,2", "B,1,10", "B,2,20"])
    np.testing.assert_array_equal(read_series(path, ["y"], date="t", where="city=B").values[:, 0], [10, 20])


@pytest.mark.parametrize(("count", "sizes"), [(144, ()), (17420, (8640, 2880, 2880)), (10, (0.5, 0.25, 0.25))])
def test_parts_follow_each_other_and_share_no_row(count, sizes):
    parts = chronological(count, sizes)
    assert parts["train"].start == 0 and parts["train"].stop == parts["validation"].start
    assert parts["validation"].stop == parts["test"].start and parts["test"].stop <= count
    if sizes and sizes[0] > 1:
        assert tuple(part.stop - part.start for part in parts.values()) == sizes
    else:
        assert parts["test"].stop == count


@pytest.mark.parametrize(
    "sizes", [(0.5, 0.5), (0.9, 0.1, 0.1), (5, 5, 5), (8, 1, 0), (8.5, 1, 1), (0.99, 0.005, 0.005)]
)
def test_sizes_that_do_not_fit_are_one_error(sizes):
    with pytest.raises(InputError, match="splits"):
        chronological(10, sizes)


def test_standardised_values_have_mean_zero_and_deviation_one_and_come_back():
    values = np.random.default_rng(0).normal(3, 5, (50, 2))
    values[3, 0] = np.nan
    values = np.column_stack([values, np.full(50, 7.0)])
    fitted = Standardiser.of(values)
    standard = fitted(values)
    np.testing.assert_allclose(np.nanmean(standard, 0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(standard, 0), [1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(fitted.inverse(standard), values)
    with pytest.raises(InputError, match="without a value"):
        Standardiser.of(np.full((3, 1), np.nan))
