"""Figures of trained models: they are drawn from any values, and look the same each time."""

import warnings

import numpy as np
import pytest

from rnnjax.analysis import figures_models, figures_recall, style
from rnnjax.errors import InputError

RNG = np.random.default_rng(0)
WORDS = "the cat sat on the mat".split()


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def shares(rows, columns):
    return RNG.dirichlet(np.ones(columns), rows)


CONFUSION = {
    "few": lambda: figures_models.confusion_figure(RNG.integers(0, 50, (3, 3)), ["yes", "no", "perhaps"]),
    "many": lambda: figures_models.confusion_figure(RNG.integers(0, 50, (60, 60))),
    "one": lambda: figures_models.confusion_figure([[4]]),
    "absent": lambda: figures_models.confusion_figure(np.diag([3, 0]), title="a class that never occurs"),
}
ATTENTION = {
    "one": lambda: figures_models.attention_figure({"head": shares(4, 6)}, ["le", "chat", "est", "là"], WORDS),
    "several": lambda: figures_models.attention_figure({str(i): shares(6, 6) for i in range(3)}, WORDS, title="heads"),
    "a row": lambda: figures_models.attention_figure({"pooled": shares(1, 6)[0]}, ["said"], WORDS),
    "each its own": lambda: figures_models.attention_figure(
        {"a": shares(2, 3), "b": shares(3, 2)}, {"a": ["x"] * 2, "b": ["y"] * 3}, {"a": ["u"] * 3, "b": ["v"] * 2}
    ),
    "long": lambda: figures_models.attention_figure({"long": shares(80, 90)}, ["w"] * 80, ["v"] * 90),
}
CURVES = {"noise": ([0.1, 0.3], [0.9, 0.7]), "fgsm": ([0.2, 0.1], [0.1, 0.5]), "nan": ([0.0, 1.0], [np.nan, 0.3])}
OTHERS = {
    "robustness": lambda: figures_models.robustness_figure(CURVES, "accuracy", clean=0.93, baseline=0.6, title="all"),
    "one curve": lambda: figures_models.robustness_figure({"noise": ([1.0], [2.0])}, "loss"),
    "sizes": lambda: figures_models.size_figure(
        {"float32": (9e5, 0.9), "int8": (2.3e5, 0.9), "pruned": (9e4, 0.8)}, "F1"
    ),
    "one size": lambda: figures_models.size_figure({"float32": (900, np.nan)}, "loss"),
    "images": lambda: figures_recall.image_rows_figure({"seen": RNG.random((4, 8, 8)), "said": RNG.random((4, 8, 8))}),
    "capacity": lambda: figures_recall.capacity_figure(
        {"a": ([0.1, 0.2], RNG.random((3, 2))), "b": ([1.0, 10.0], [1.0, 0.9])}, mark=0.138, log=True
    ),
    "roll": lambda: figures_recall.roll_figure({"played": RNG.random((20, 88)) < 0.05, "silent": np.zeros((20, 88))}),
}
FIGURES = {**CONFUSION, **{f"attention, {name}": make for name, make in ATTENTION.items()}, **OTHERS}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_from_any_values(name):
    """The same bytes each time, for one of each kind."""
    figure = FIGURES[name]()
    assert figure.get_size_inches()[0] <= style.WIDTH + 0.75
    if name in ("few", "attention, one", "sizes", "capacity"):
        assert style.svg(figure) == style.svg(figure)


def test_a_confusion_matrix_says_its_counts_and_its_labels():
    figure = figures_models.confusion_figure([[7, 1], [2, 40]], ["yes", "no"])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["7", "1", "2", "40"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["yes", "no"]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), [[7 / 8, 1 / 8], [2 / 42, 40 / 42]])


def test_curves_start_at_the_undisturbed_value_and_go_up_in_strength():
    figure = figures_models.robustness_figure(CURVES, "accuracy", clean=0.93)
    line = figure.axes[1].lines[-1]
    np.testing.assert_allclose(line.get_xdata(), [0, 0.1, 0.2])
    np.testing.assert_allclose(line.get_ydata(), [0.93, 0.5, 0.1])


def test_errors_name_the_argument():
    for argument, call in {
        "matrix": lambda: figures_models.confusion_figure(np.zeros((2, 3))),
        "labels": lambda: figures_models.confusion_figure(np.eye(2), ["a"]),
        "weights": lambda: figures_models.attention_figure({"a": shares(2, 3)}, ["x"] * 2, ["y"] * 4),
        "curves": lambda: figures_models.robustness_figure({"a": ([1, 2], [1])}, "loss"),
        "variants": lambda: figures_models.size_figure({"a": (0, 1.0)}, "loss"),
        "rows": lambda: figures_recall.image_rows_figure({"a": np.zeros((2, 3))}),
        "rolls": lambda: figures_recall.roll_figure({"a": np.zeros((2, 3)), "b": np.zeros((3, 3))}),
    }.items():
        with pytest.raises(InputError, match=argument):
            call()
