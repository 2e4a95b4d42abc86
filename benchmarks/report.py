"""The report of a benchmark, made from its files alone: parts with text and tables, for the page and the terminal."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import ablation, bars, growth, remat, zoo
from benchmarks.peers import OURS, PEERS
from benchmarks.problem import MODES
from benchmarks.race import TOLERANCE
from benchmarks.ratios import STATISTICS, best_jax_ratio, geometric_mean, ratio, value
from benchmarks.results import Document
from benchmarks.timing import REST_SECONDS, TURN_SECONDS
from rnnjax.errors import check

Row = dict[str, Any]

NOTHING = "–"

COMMAND = "python -m benchmarks"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
      header: the titles of the columns.
      rows: the cells.
    """

    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the report.

    Attributes:
      title: its heading.
      text: paragraphs of Markdown.
      tables: what is shown below them.
    """

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


def parts(documents: Sequence[Document]) -> list[Part]:
    """The report on one run, or on several of different races: on a processor and on a GPU, say.

    Raises:
      InputError: two runs measure the same race.
    """
    rows = [row for document in documents for row in document["rows"]]
    keys = [(row["section"], row["topic"], row["cell"], row["shape"], row["mode"]) for row in rows]
    twice = next((" ".join(key) for key in keys if keys.count(key) > 1), None)
    check(twice is None, "FILE", twice, "files that measure different rows")
    layers = [row for row in rows if row["section"] == "layers"]
    made = [_bars(rows)]
    if layers:
        made += [_all_shapes(layers), *(_ratios(layers, mode) for mode in MODES)]
        made += [_times(layers), _compile_times(layers), _memory(layers)]
    made += [_growth(rows), _remat(rows), _zoo(rows), _ablation(rows), _gpu(documents, rows)]
    made += [_left_out(documents, rows), _method(rows), *map(_machine, documents)]
    return [part for part in made if part.text or part.tables]


def markdown(documents: Sequence[Document]) -> str:
    """The report as a page."""
    lines = [
        "# Benchmarks",
        "",
        "Layers of this library side by side with those of others: the same weights and inputs, the same machine, one "
        "process, taking turns. Engines and recomputation beside the plain scan.",
    ]
    if any(document["settings"]["quick"] for document in documents):
        lines += ["", "These numbers are of a **quick run**: few shapes and few rounds, to see that all of it works."]
    if any(document["finished"] is None for document in documents):
        lines += ["", "A run was **not finished**: rows are missing."]
    for part in parts(documents):
        lines += ["", f"## {part.title}"]
        for paragraph in part.text:
            lines += ["", paragraph]
        for table in part.tables:
            lines += ["", *_in_markdown(table)]
    return "\n".join(lines) + "\n"


def _in_markdown(table: Table) -> list[str]:
    numeric = [
        all(cell == NOTHING or cell[:1].isdigit() for cell in column) for column in zip(*table.rows, strict=True)
    ]
    rule = ["---:" if each else "---" for each in numeric]
    rows = [[cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in (table.header, *table.rows)]
    return ["| " + " | ".join(cells) + " |" for cells in (rows[0], rule, *rows[1:])]


# --- numbers -----------------------------------------------------------------------------------------------------


def _number(each: float | None) -> str:
    """A number with three digits that count where it is above 1, and three places behind the point below."""
    if each is None:
        return NOTHING
    places = next((places for bound, places in ((99.95, 0), (9.995, 1), (0.9995, 2)) if each >= bound), 3)
    return f"{each:.{places}f}"


def _both(measure: Callable[[str], float | None]) -> str:
    """A ratio by minimum, and in parentheses by median."""
    by_minimum, by_median = map(measure, STATISTICS)
    return NOTHING if by_minimum is None or by_median is None else f"{by_minimum:.2f} ({by_median:.2f})"


def _milliseconds(row: Row, name: str) -> str:
    minimum, median = (value(row, name, statistic) for statistic in STATISTICS)
    return NOTHING if minimum is None or median is None else f"{_number(1e3 * minimum)} / {_number(1e3 * median)}"


def _mebibytes(row: Row, name: str) -> str:
    count = value(row, name, "memory_bytes")
    return _number(None if count is None else count / 2**20)


def _peers(rows: list[Row]) -> list[str]:
    return [name for name in PEERS if name != OURS and any(name in row["contestants"] for row in rows)]


def _titles(names: list[str]) -> tuple[str, ...]:
    return tuple(PEERS[name].title for name in names)


_MODE = {"forward": "forward", "training": "training step"}


def _contestants(rows: list[Row], show: Callable[[Row, str], str]) -> Table:
    """A line a row, a column a contestant."""
    names = [OURS, *_peers(rows)]
    lines = [(row["cell"], row["shape"], _MODE[row["mode"]], *(show(row, name) for name in names)) for row in rows]
    return Table(("cell", "shape", "", *_titles(names)), lines)


def _measured(row: Row) -> bool:
    return any(STATISTICS[0] in each for each in row["contestants"].values())


# --- parts -------------------------------------------------------------------------------------------------------


def _bars(rows: list[Row]) -> Part:
    lines = []
    for verdict in bars.judge(rows):
        bar = verdict.bar
        held = {True: "**held**", False: "**not held**", None: "not measured"}[verdict.held]
        if verdict.held and verdict.rows < verdict.of:
            held = "held so far"
        bound = f"{'at least' if bar.at_least else 'at most'} {bar.bound:g}"
        decided = verdict.where or ("geometric mean" if verdict.by else NOTHING)
        found = _both(verdict.by.get)
        lines.append((bar.statement, bar.device, bound, found, held, f"{verdict.rows} of {verdict.of}", decided))
    text = (
        "What the library asks of itself. A ratio is by the minimum of the calls, and in parentheses by their median; "
        "the minimum decides. Where no geometric mean is asked for, the worst row does. A bar that lacks rows "
        "is held so far at best."
    )
    return Part("The bar", (text,), (Table(("", "on", "required", "ratio", "", "rows", "decided by"), lines),))


def _all_shapes(rows: list[Row]) -> Part:
    peers, lines = _peers(rows), []
    for mode in MODES:
        for cell in [*dict.fromkeys(row["cell"] for row in rows), None]:
            about = [row for row in rows if row["mode"] == mode and cell in (None, row["cell"])]
            if about:
                means = [_mean(about, lambda row, each, peer=peer: ratio(row, peer, OURS, each)) for peer in peers]
                lines.append((_MODE[mode], cell or "all", *means, _mean(about, best_jax_ratio)))
    text = (
        "Geometric means over the shapes of the other's time over ours, by minimum and in parentheses by median. Above "
        "1, ours is faster. The best JAX peer is chosen row by row."
    )
    return Part("All shapes together", (text,), (Table(("", "cell", *_titles(peers), "best JAX peer"), lines),))


def _mean(rows: list[Row], measure: Callable[[Row, str], float | None]) -> str:
    return _both(lambda each: geometric_mean(measure(row, each) for row in rows))


def _ratios(rows: list[Row], mode: str) -> Part:
    rows = [row for row in rows if row["mode"] == mode]
    if not rows:
        return Part("")
    peers, lines = _peers(rows), []
    for row in rows:
        ratios = [_both(lambda each, row=row, peer=peer: ratio(row, peer, OURS, each)) for peer in peers]
        best = _both(lambda each, row=row: best_jax_ratio(row, each))
        lines.append((row["cell"], row["shape"], _milliseconds(row, OURS), *ratios, best))
    text = (
        "Ours in milliseconds, minimum / median, and the other's time over ours. A shape is batch x time x inputs x "
        "hidden units."
    )
    header = ("cell", "shape", "ours, ms", *_titles(peers), "best JAX peer")
    return Part(f"{_MODE[mode].capitalize()}, shape by shape", (text,), (Table(header, lines),))


def _times(rows: list[Row]) -> Part:
    return Part("Times", ("Milliseconds a call, minimum / median.",), (_contestants(rows, _milliseconds),))


def _compile_times(rows: list[Row]) -> Part:
    mean = geometric_mean(ratio(row, OURS, "flax_linen", "compile_seconds") for row in rows)
    text = "Seconds to trace and compile, with all caches of JAX emptied before."
    if mean is not None:
        text += f" Ours over Flax Linen's, geometric mean: {mean:.2f}."
    table = _contestants(rows, lambda row, name: _number(value(row, name, "compile_seconds")))
    return Part("Compile time", (text,), (table,))


def _memory(rows: list[Row]) -> Part:
    text = (
        "Temporaries and outputs of the compiled program in MiB, as XLA has planned them: what a call needs on top of "
        "weights and inputs. PyTorch plans nothing ahead: its memory is not measured on a processor."
    )
    return Part("Memory", (text,), (_contestants(rows, _mebibytes),))


def _engines(rows: list[Row]) -> Table:
    header = ("engine", "cell", "shape", "", "scan, ms", "engine, ms", "scan over engine", "scan, MiB", "engine, MiB")
    lines = []
    for row in rows:
        engine, scan = row["topic"], growth.SCAN
        speed = _both(lambda each, row=row, engine=engine: ratio(row, growth.SCAN, engine, each))
        times = _milliseconds(row, scan), _milliseconds(row, engine)
        memory = _mebibytes(row, scan), _mebibytes(row, engine)
        lines.append((engine, row["cell"], row["shape"], _MODE[row["mode"]], *times, speed, *memory))
    return Table(header, lines)


def _growth(rows: list[Row]) -> Part:
    rows = [row for row in rows if row["section"] == "growth" and _measured(row)]
    if not rows:
        return Part("")
    text = (
        "Engines that are parallel over time beside the scan, on the processor, where there is little to be parallel "
        "on: what they are for is a GPU."
    )
    return Part("Engines as time grows", (text,), (_engines(rows),))


def _remat(rows: list[Row]) -> Part:
    rows = [row for row in rows if row["section"] == "remat"]
    if not rows:
        return Part("")
    lines = [
        (remat.LOSSES[row["topic"]], row["cell"], row["shape"], way, *_beside_plain(row, way))
        for row in rows
        if row["topic"] != remat.EACH
        for way in row["contestants"]
    ]
    each = [row for row in rows if row["topic"] == remat.EACH]
    more = [(row["cell"], row["shape"], *_beside_plain(row, remat.UNASKED)) for row in each]
    columns = ("ms", "MiB", "time over plain", "memory over plain")
    tables = [Table(("loss of", "cell", "shape", "remat", *columns), lines)] if lines else []
    tables += [Table(("cell", "shape", *columns), more)] if more else []
    text = (
        "A training step on long sequences, with values of `remat`: plain is `False`, which keeps everything, unasked "
        "is `None`, the default. Where the loss is of all outputs, these are in memory whatever is computed again."
    )
    also = "Then the default for each cell that goes step by step, on sequences that are just cut into blocks."
    return Part("Recomputing instead of storing", (text, also) if more else (text,), tuple(tables))


def _beside_plain(row: Row, way: str) -> tuple[str, ...]:
    memory = ratio(row, way, remat.PLAIN, "memory_bytes")
    times = _both(lambda each: ratio(row, way, remat.PLAIN, each))
    return _milliseconds(row, way), _mebibytes(row, way), times, NOTHING if memory is None else f"{memory:.2f}"


def _zoo(rows: list[Row]) -> Part:
    rows = [row for row in rows if row["section"] == "zoo"]
    if not rows:
        return Part("")
    lines = []
    for name in dict.fromkeys(row["cell"] for row in rows):
        by_mode = {row["mode"]: row for row in rows if row["cell"] == name}
        shown = []
        for mode in MODES:
            row = by_mode.get(mode)
            times = NOTHING if row is None else _milliseconds(row, name)
            over = None if row is None else functools.partial(ratio, row, name, zoo.YARDSTICK)
            shown += [times, NOTHING if over is None else _both(over)]
        first = next(iter(by_mode.values()))
        parameters = value(first, name, "parameters")
        lines.append((name, NOTHING if parameters is None else f"{int(parameters):,}", *shown))
    header = ("cell", "parameters", "forward, ms", "over LSTM", "training step, ms", "over LSTM")
    text = (
        f"Every cell at {rows[0]['shape']} (batch x time x inputs x units), minimum / median, and its time over that "
        "of our LSTM in the same race. Each cell is run by the engine that `auto` takes."
    )
    return Part("What each cell costs", (text,), (Table(header, lines),))


def _ablation(rows: list[Row]) -> Part:
    rows = [row for row in rows if row["section"] == "ablation" and _measured(row)]
    if not rows:
        return Part("")
    lines = []
    for row in rows:
        first, second = row["contestants"]
        seconds = [_number(value(row, name, STATISTICS[0])) for name in (first, second)]
        speed = _both(lambda each, row=row, first=first, second=second: ratio(row, first, second, each))
        lines.append((row["topic"], row["cell"], row["shape"], first, seconds[0], second, seconds[1], speed))
    header = ("what", "cell", "shape", "one", "s", "other", "s", "one over other")
    text = (
        f"Runs on the adding problem. Of many seeds, {ablation.FULL.updates} updates each in a full run, the clock has "
        f"all from the start of Python to the last file; of one run, {ablation.FULL.alone} updates, what comes after "
        "the compilation. Neither evaluates more than a row every 100 updates."
    )
    return Part("Around the updates", (text,), (Table(header, lines),))


def _gpu(documents: Sequence[Document], rows: list[Row]) -> Part:
    rows = [row for row in rows if row["section"] == "gpu" and _measured(row)]
    if not rows:
        reason = next((each["missing"]["gpu"] for each in documents if "gpu" in each["missing"]), "not asked for")
        return Part("On a GPU", (f"Not run on a GPU: {reason}.",))
    layers = [row for row in rows if row["topic"] == "layers"]
    engines = [row for row in rows if row["topic"] != "layers"]
    tables = [_contestants(layers, _milliseconds), _contestants(layers, _mebibytes)] if layers else []
    tables += [_engines(engines)] if engines else []
    text = (
        "Milliseconds a call, minimum / median, then MiB on top of weights and inputs (PyTorch's as its allocator "
        "counts them). Products have the libraries' default precision, which is TF32 where the GPU has it."
    )
    return Part("On a GPU", (text,), tuple(tables))


def _left_out(documents: Sequence[Document], rows: list[Row]) -> Part:
    reasons: dict[tuple[str, str], list[str]] = {}
    for document in documents:
        for name, reason in document["missing"].items():
            if not any(row["section"] == name or name in row["contestants"] for row in rows):
                reasons.setdefault((name, reason), []).append("everywhere")
    for row in rows:
        for name, measured in row["contestants"].items():
            if "absent" in measured:
                reasons.setdefault((name, measured["absent"]), []).append(bars.named(row))
            elif "failed" in measured:
                reasons.setdefault((name, f"failed: {measured['failed']}"), []).append(bars.named(row))
    lines = []
    for (name, reason), where in reasons.items():
        lines.append((name, where[0] + (f" and {len(where) - 1} more" if len(where) > 1 else ""), reason))
    return Part("Left out", (), (Table(("what", "where", "why"), lines),)) if lines else Part("")


def _method(rows: list[Row]) -> Part:
    seen = [name for name in PEERS if any(name in row["contestants"] for row in rows)]
    table = Table(("contestant", "what is measured"), [(PEERS[name].title, PEERS[name].layer) for name in seen])
    return Part("How it is measured", (*_METHOD, _ORIGIN), (table,) if seen else ())


_METHOD = (
    "Each row is a race. Its contestants get the same weights, converted, and the same inputs in float32, in the "
    "layout that each likes best; the layers are those that a user of the library would take, with its own "
    "defaults. What each computes is compared with ours (outputs, or gradients for the inputs) before the clock "
    f"runs: whoever is off by more than {TOLERANCE['cpu']:g} of the largest entry ({TOLERANCE['gpu']:g} on a GPU) "
    "has failed. A training step is half the sum of squares of all outputs, and its gradients for weights and "
    "inputs. PyTorch has a second bias. Haiku has no simple network with tanh: the two linear layers of its "
    "`VanillaRNN` with a tanh around them stand in. Its GRU applies the reset gate before the recurrent product, "
    "and is checked against our GRU of that kind.",
    f"The contestants take turns: a turn is one call, or as many as fit into {1e3 * TURN_SECONDS:g} ms; a round is "
    "a turn for everyone; the order is rotated from round to round, and every other round is run backwards. "
    f"Before a turn there are {1e3 * REST_SECONDS:g} ms of rest, so that threads of the contestant before do not "
    "go on spinning beside it. How many rounds and seconds a row goes on for at least stands with the machine, and "
    "after how many seconds alone (eight times that around the updates), in two calls or more, a contestant sits out "
    "the rest. Compilation of layers takes turns too, and the least time counts.",
    "What this cannot tell: on a small machine that other programs share, absolute times are noisy, and only "
    "ratios within a row mean something. The minimum says what the code can do, the median what it mostly did; "
    "where the two disagree, the machine was busy. PyTorch's threads wait for each other at every step, and lose "
    "most on a busy machine. Memory is what the compiler plans, not what the process takes.",
)

_ORIGIN = (
    f"This page is written by `{COMMAND} --json FILE --docs docs/benchmarks.md`, or from such files without measuring "
    f"again by `{COMMAND} render FILE --docs docs/benchmarks.md`, and never by hand."
)


def _machine(document: Document) -> Part:
    machine, settings = document["machine"], document["settings"]
    patience = "{rounds} rounds and {seconds:g} s at least, {alone:g} s alone, compiled {compilations} times"
    lines = [
        ("sections", ", ".join(dict.fromkeys(row["section"] for row in document["rows"]))),
        ("a row", patience.format(**settings)),
        ("processor", f"{machine['processor']}, {machine['cores']} cores"),
        ("memory", f"{machine['memory_gib']} GiB"),
        ("GPU", "none" if machine["gpu"] is None else f"{machine['gpu']}, driver {machine['gpu_driver']}"),
        ("system", machine["system"]),
        ("XLA flags", f"`{machine['xla_flags'].strip()}`" if machine["xla_flags"].strip() else "none"),
        ("threads", ", ".join(f"{name}: {count}" for name, count in document["threads"].items())),
        ("versions", ", ".join(f"{name} {version}" for name, version in document["versions"].items())),
        ("time", f"{document['started']} to {document['finished'] or '(not finished)'}"),
    ]
    loads = [row["load"] for row in document["rows"] if row.get("load") is not None]
    if loads:
        lines.append(("load average", f"{min(loads):.1f} to {max(loads):.1f} after the rows, this benchmark included"))
    where = "a processor" if machine["gpu"] is None else f"a {machine['gpu']}"
    return Part(f"Machine and versions: {where}", (), (Table(("", ""), lines),))
