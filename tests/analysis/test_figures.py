"""Figures: they are drawn from any values, look the same each time, and leave nothing behind."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
import xml.etree.ElementTree

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.analysis import GradientFlow, JacobianSpectrum, drawing, figures, style

TIME = 40
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def falling(rate, rows=5):
    """Logarithms of norms that fall by `rate` a step with the distance from the last of them."""
    return -rate * np.arange(TIME)[::-1] + 0.1 * RNG.standard_normal((rows, TIME))


FLOWS = {
    "plain": falling(0.1),
    "below floats": falling(50.0),
    "exploding": falling(-50.0),
    "one row": falling(1.0)[0],
    "seeds and rows": falling(1.0).reshape(5, 1, TIME),
    "dies": np.where(np.arange(TIME) < 10, -np.inf, falling(0.2)),
    "padded": np.where(np.arange(TIME) < np.array([[40], [10], [20]]), falling(0.2, 3), -np.inf),
    "zero": np.full((2, TIME), -np.inf),
    "nan": np.full((2, TIME), np.nan),
    "one nan row": np.where(np.arange(5)[:, None] == 0, np.nan, falling(0.2)),
    "inf": np.where(np.arange(TIME) < 10, np.inf, falling(0.2)),
    "short": falling(0.3)[:, :1],
}


def lines(figure):
    """Labels at the ends of lines, and the lines' values."""
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("name", FLOWS)
def test_gradient_flow_of_any_values(name):
    figure = figures.gradient_flow_figure({name: FLOWS[name], "GRU": falling(0.1)}, title="Title")
    ends = {"zero": " (zero)", "dies": " (zero)", "nan": " (no values)", "inf": " (infinite)"}
    assert lines(figure) == [name + ends.get(name, ""), "GRU"]
    assert np.all(np.isfinite(figure.axes[0].get_ylim()))
    style.svg(figure)


def test_all_of_them_at_once():
    style.svg(figures.gradient_flow_figure(FLOWS, relative=True))


def test_a_flow_is_drawn_as_its_logarithms():
    flow = GradientFlow(FLOWS["plain"], np.exp(FLOWS["plain"]), None)
    names = {"a": flow}
    assert style.svg(figures.gradient_flow_figure(names)) == style.svg(
        figures.gradient_flow_figure({"a": FLOWS["plain"]})
    )


def test_lag_counts_from_the_last_gradient_of_each_row():
    logs = np.full((2, 6), -np.inf)
    logs[0], logs[1, :3] = np.arange(6.0), np.arange(3.0)
    by_lag = drawing.by_lag(logs * np.log(10), relative=False)
    np.testing.assert_allclose(by_lag, [[5, 4, 3, 2, 1, 0], [2, 1, 0, np.nan, np.nan, np.nan]])
    relative = drawing.by_lag(logs * np.log(10), relative=True)
    np.testing.assert_allclose(relative[1, :3], [0, -1, -2])


def spectrum(rates, lags=(1, 5, 10), rows=3):
    return np.asarray(lags), -np.asarray(lags)[:, None] * np.asarray(rates) * np.ones((rows, 1, 1))


def test_spectra_of_any_values():
    spectra = {
        "plain": spectrum([0.1, 1.0, 2.0]),
        "spectrum": JacobianSpectrum(*spectrum([0.0, 400.0])),
        "unsorted lags": spectrum([0.1, 0.2], lags=(10, 1, 5)),
        "zeros": spectrum([0.1, np.inf]),
        "all zero": spectrum([np.inf]),
        "nan": spectrum([np.nan]),
        "one row": (np.array([1, 2]), np.zeros((2, 3))),
    }
    for count in (1, 4, 7):
        figure = figures.spectrum_figure(dict(itertools.islice(spectra.items(), count)))
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert [title for title in titles if title] == list(spectra)[:count]
        style.svg(figure)
    assert figures.spectrum_figure(spectra, floor=-50).axes[0].get_ylim()[0] == pytest.approx(-50, rel=0.1)


def test_learning_curves_of_any_values():
    curves = {
        "plain": np.geomspace(1, 1e-3, 6) * np.ones((3, 1)),
        "one seed": np.ones(6),
        "stopped": np.where(np.arange(6) > [[2], [3], [5]], np.nan, 0.5),
        "nan": np.full((2, 6), np.nan),
        "not positive": -np.ones((2, 6)),
        "diverged": np.full((1, 6), np.inf),
    }
    steps = np.arange(6) * 1000
    for log, baseline in ((True, None), (True, 0.0), (False, 0.2)):
        style.svg(figures.learning_curves_figure(curves, steps, "error", log=log, baseline=baseline))
    each = {name: steps + 7 for name in curves}
    style.svg(figures.learning_curves_figure(curves, each, "error", title="Title"))


def test_a_median_of_runs_keeps_what_has_stopped():
    nan = np.nan
    values = np.array([[5, 1, nan, nan, nan], [6, 5, 2, nan, nan], [7, 6, 5, 4, 3]])
    np.testing.assert_allclose(figures._median_of_runs(values), [6, 5, 2, nan, nan])


def test_a_name_keeps_its_stroke():
    names = [f"n{i}" for i in range(30)]
    strokes = style.strokes(names)
    assert len({stroke[:2] for stroke in strokes.values()}) == len(style.PALETTE) * len(style.DASHES)
    assert style.strokes([*names, "other"])["n3"] == strokes["n3"]
    flows = {name: FLOWS["plain"] for name in names[:4]}
    one = figures.gradient_flow_figure({"n3": flows["n3"]}, names=names)
    assert one.axes[0].lines[0].get_color() == strokes["n3"].color


@pytest.mark.parametrize("places", [[0.0] * 4, [1.0] * 3, [0.5, 0.51, 0.9], [0.9, 0.1], [0.3], []])
def test_labels_stand_apart_and_in_order(places):
    places = np.asarray(places)
    apart = style._apart(places, 0.1)
    assert np.all(np.diff(np.sort(apart)) >= 0.1 - 1e-12) and np.all(apart >= 0)
    np.testing.assert_array_equal(np.argsort(apart), np.argsort(places, kind="stable"))
    if np.all(np.diff(np.sort(places)) >= 0.1):
        np.testing.assert_allclose(apart, places)


def test_svg_is_the_same_each_time_and_its_text_is_text(tmp_path):
    """Also under a reader's own settings, and from a second figure."""
    import matplotlib

    first = style.svg(figures.gradient_flow_figure({"LSTM & b_f=1": FLOWS["plain"]}))
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.grid": False, "text.color": "red"}):
        assert style.svg(figures.gradient_flow_figure({"LSTM & b_f=1": FLOWS["plain"]})) == first
    root = xml.etree.ElementTree.fromstring(first)
    texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
    assert "LSTM & b_f=1" in texts and "lag: steps back from the loss" in texts
    assert "dc:date" not in first and "Matplotlib" not in first


def test_files(tmp_path):
    figure = figures.gradient_flow_figure({"a": FLOWS["plain"]})
    for name in ("a.svg", "a.png", "b.PNG"):
        style.save(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_text() == style.svg(figure)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.PNG").read_bytes()
    with pytest.raises(InputError, match=r"path: got .*a\.pdf.*, expected a name that ends in \.svg or \.png"):
        style.save(figure, str(tmp_path / "a.pdf"))


def test_importing_leaves_matplotlib_alone_and_drawing_leaves_pyplot_alone():
    code = (
        "import sys, numpy, rnnjax.analysis as a; assert 'matplotlib' not in sys.modules;"
        "a.style.svg(a.gradient_flow_figure({'a': numpy.zeros(3)}));"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_errors_name_the_argument():
    with pytest.raises(InputError, match="flows"):
        figures.gradient_flow_figure({})
    with pytest.raises(InputError, match=r"flows\['a'\]"):
        figures.gradient_flow_figure({"a": 3.0})
    with pytest.raises(InputError, match="quantiles"):
        figures.gradient_flow_figure({"a": FLOWS["plain"]}, quantiles=(0.9, 0.1))
    with pytest.raises(InputError, match=r"spectra\['a'\]"):
        figures.spectrum_figure({"a": (np.array([1, 2]), np.zeros((3, 4)))})
    with pytest.raises(InputError, match=r"curves\['a'\]"):
        figures.learning_curves_figure({"a": np.zeros((2, 3))}, np.arange(4), "loss")
    with pytest.raises(InputError, match="curves"):
        figures.learning_curves_figure({}, np.arange(2), "loss")
