"""What papers print for images read pixel by pixel, and how far they are from each other."""

from __future__ import annotations

from typing import NamedTuple


class Published(NamedTuple):
    """A line of a published table: test accuracy in percent, `None` where the source has none.

    `network` is the name under which the experiments compare; `detail` is what the source adds, `source` the table.
    """

    network: str
    detail: str
    ordered: float | None
    permuted: float | None
    source: str


PUBLISHED = (
    Published("tanh", "70,000 parameters", 21.5, 25.3, "Bai et al. 2018, Table 1"),
    Published("tanh", "", 35.0, 35.0, "Le et al. 2015, as quoted by Cooijmans et al. 2016, Table 1"),
    Published("LSTM", "70,000 parameters", 87.2, 85.7, "Bai et al. 2018, Table 1"),
    Published("LSTM", "mean of several runs", 91.0, None, "Campos et al. 2018 (Skip RNN)"),
    Published("LSTM", "128 units", 97.3, 92.6, "Chang et al. 2019, Table 1, citing Arjovsky et al. 2016"),
    Published("LSTM", "128 units", 98.2, 88.0, "Li et al. 2018, Table 1, citing Arjovsky et al. 2016"),
    Published("LSTM", "100 units", 98.9, 90.2, "Cooijmans et al. 2016, Table 1"),
    Published("LSTM", "512 units, on the validation set", None, 95.4, "Tallec & Ollivier 2018"),
    Published("LSTM", "512 units, chrono, on the validation set", None, 96.3, "Tallec & Ollivier 2018"),
    Published("GRU", "70,000 parameters", 96.2, 87.3, "Bai et al. 2018, Table 1"),
    Published("IRNN", "", 97.0, 82.0, "Le et al. 2015, as quoted by Cooijmans et al. 2016, Table 1"),
    Published("IRNN", "", 95.0, 82.0, "Le et al. 2015, as quoted by Li et al. 2018, Table 1"),
    Published("uRNN", "512 complex units", 95.1, 91.4, "Arjovsky et al. 2016, as quoted by Li et al. 2018, Table 1"),
    Published("AntisymmetricRNN", "128 units", 98.0, 95.8, "Chang et al. 2019, Table 1"),
    Published("AntisymmetricRNN", "128 units, gated", 98.8, 93.1, "Chang et al. 2019, Table 1"),
    Published("IndRNN", "6 layers of 128 units, batch normalisation", 99.0, 96.0, "Li et al. 2018, Table 1"),
    Published("coRNN", "256 units, one run", 99.35, 97.34, "Rusch & Mishra 2021, logs of the authors' code"),
    Published("LEM", "128 units, best run", 99.45, 96.62, "Rusch et al. 2022, logs of the authors' code"),
)


def published_values(network: str, permuted: bool) -> list[float]:
    """Every figure of a network, as shares of one, in the order of `PUBLISHED`."""
    rows = [row.permuted if permuted else row.ordered for row in PUBLISHED if row.network == network]
    return [value / 100 for value in rows if value is not None]


def published_table() -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Header and rows of text."""
    header = ("network", "detail", "pixels in order, %", "permuted, %", "source")
    shown = lambda value: "-" if value is None else f"{value:g}"  # noqa: E731
    return header, tuple((r.network, r.detail, shown(r.ordered), shown(r.permuted), r.source) for r in PUBLISHED)


DISAGREEMENT = (
    "What papers print for the same network differs by more than the papers' contributions: an LSTM on pixels in order "
    "has 87.2 to 98.9 %. Sizes, forget biases, optimisers and numbers of epochs differ, several tables quote others, "
    "and some report the best of many evaluations on the test set. No figure of one network stands for it."
)
