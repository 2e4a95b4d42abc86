"""The figure of attention: its cells are the weights, its labels those of the two sequences."""

from __future__ import annotations

import numpy as np
import pytest

from rnnjax import InputError
from rnnjax.analysis import style
from rnnjax.analysis.figures_attention import attention_figure


def test_cells_and_labels():
    weights = np.random.default_rng(0).dirichlet(np.ones(4), 3)
    figure = attention_figure(weights, ["a", "small", "·dog", "."], ["ein", "Hund", "end"])
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights)
    assert axes.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "small", "·dog", "."]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ein", "Hund", "end"]
    assert "Hund" in style.svg(figure)


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"weights: got shape \(3, 4\), expected shape \(3, 3\)"):
        attention_figure(np.ones((3, 4)), ["a", "b", "c"], ["x", "y", "z"])
    with pytest.raises(InputError, match="weights"):
        attention_figure(np.ones((0, 0)), [], [])
