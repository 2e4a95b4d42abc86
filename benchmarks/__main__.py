"""The command `python -m benchmarks`."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
import time
from typing import Annotated, Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the GPU is shared with PyTorch

import jax
import tyro

from benchmarks import ablation, gpu, growth, layers, machine, remat, report, results, zoo
from benchmarks.peers import OURS, PEERS
from benchmarks.problem import CELLS, MODES, SHAPES, Shape
from benchmarks.race import Race, run_race
from benchmarks.ratios import value
from rnnjax.cells import REGISTRY
from rnnjax.cli import run_command
from rnnjax.errors import check, check_choice

PROGRAM = "python -m benchmarks"
SECTIONS = ("layers", "growth", "remat", "zoo", "ablation", "gpu")


@dataclasses.dataclass(frozen=True)
class Run:
    """Measure, print the report, and write it to a file of JSON and to a page."""

    quick: bool = False
    """Few shapes and rounds: less than a minute, to see that all of it works."""
    json: pathlib.Path | None = None
    """File for all that is measured; it is written after each row."""
    docs: pathlib.Path | None = None
    """File for the report in Markdown."""
    resume: bool = False
    """Keep the rows that the file of --json has already, but for those in which somebody has failed."""
    sections: tuple[str, ...] | None = None
    """Of layers, growth, remat, zoo, ablation, gpu; by default all, or layers where cells, shapes, modes or peers are
    chosen."""
    topics: tuple[str, ...] | None = None
    """Only races whose topic has one of these words in it, such as checkpoints."""
    cells: tuple[str, ...] | None = None
    """Cells of layers and remat: elman, lstm, gru."""
    shapes: tuple[str, ...] | None = None
    """Shapes of layers, such as 32x100x64x64: batch, time, inputs, hidden."""
    modes: tuple[str, ...] | None = None
    """Modes of layers: forward, training."""
    peers: tuple[str, ...] | None = None
    """Contestants besides ours: flax_linen, haiku, keras_jax, equinox, torch; by default all that are installed."""
    rounds: int | None = None
    """At least so many rounds a row; 15, and 2 where --quick, unless given."""
    seconds: float | None = None
    """Rounds of a row go on for so many seconds; 4, and 0.3 where --quick, unless given."""

    def __call__(self) -> None:
        """Runs the races."""
        self._check()
        jax.config.update("jax_enable_compilation_cache", False)
        missing = {name: reason for name in self._wanted_peers() if (reason := PEERS[name].missing())}
        peers = (OURS, *(name for name in self._wanted_peers() if name not in missing))
        races = self._races(peers)
        if "gpu" in self._sections() and (reason := gpu.missing()):
            missing["gpu"] = reason
            races = [race for race in races if race.section != "gpu"]
        patience = self._patience()
        document = results.new_document(
            machine=machine.machine(),
            versions=machine.versions(peers),
            threads=machine.threads(peers),
            missing=missing,
            settings={"quick": self.quick, **patience},
        )
        if self.resume and self.json is not None and self.json.exists():
            document = results.resumed(document, results.read(self.json, "--json"))
        jax.block_until_ready(jax.jit(lambda x: x + 1)(1.0))  # starts XLA, which nobody is to pay for
        for number, race in enumerate(races):
            if results.measured(document, race.key, list(race.entries)):
                continue
            began = time.perf_counter()
            compilations = patience["compilations"] if race.section == "layers" else 1  # Newton's take their time
            alone = patience["alone"] * (8 if race.section == "ablation" else 1)  # slow calls, told apart by percents
            row = run_race(race, **{**patience, "compilations": compilations, "alone": alone})
            row = {**row, "load": machine.load()}
            document = results.with_row(document, row, race.key)
            if self.json is not None:
                results.write(document, self.json, "--json")
            took = time.perf_counter() - began
            print(f"{number + 1}/{len(races)} {_one_line(race, row)}  [{took:.0f} s]", file=sys.stderr, flush=True)
        document = {**document, "finished": results.now()}
        if self.json is not None:
            results.write(document, self.json, "--json")
        _publish([document], self.docs)

    def _check(self) -> None:
        for field, choices in (("sections", SECTIONS), ("cells", CELLS), ("modes", MODES), ("peers", PEERS)):
            for given in getattr(self, field) or ():
                check_choice(f"--{field}", given, choices)
        for path, argument in ((self.json, "--json"), (self.docs, "--docs")):
            exists = path is None or path.absolute().parent.is_dir()
            check(exists, argument, str(path), "a file in a folder that exists")
        check(self.rounds is None or self.rounds > 0, "--rounds", self.rounds, "a positive int")
        check(self.seconds is None or self.seconds >= 0, "--seconds", self.seconds, "a number of seconds")
        check(not self.resume or self.json is not None, "--resume", self.resume, "--json FILE with it")

    def _patience(self) -> dict[str, Any]:
        rounds, seconds, alone, compilations = (2, 0.3, 1.0, 1) if self.quick else (30, 4.0, 24.0, 2)
        return {
            "rounds": rounds if self.rounds is None else self.rounds,
            "seconds": seconds if self.seconds is None else self.seconds,
            "alone": alone,
            "compilations": compilations,
        }

    def _sections(self) -> tuple[str, ...]:
        chosen = any((self.cells, self.shapes, self.modes, self.peers))
        return self.sections or (("layers",) if chosen else SECTIONS)

    def _wanted_peers(self) -> tuple[str, ...]:
        return tuple(name for name in PEERS if name != OURS and (self.peers is None or name in self.peers))

    def _races(self, peers: tuple[str, ...]) -> list[Race]:
        cells, modes = self.cells or CELLS, self.modes or MODES
        shapes = tuple(map(Shape.parse, self.shapes)) if self.shapes else SHAPES[:1] if self.quick else SHAPES
        of_section = {
            "layers": lambda: layers.races(cells, shapes, modes, peers),
            "growth": lambda: growth.races(quick=self.quick),
            "remat": lambda: remat.races(
                cells[:1] if self.quick else cells,
                remat.QUICK_SHAPE if self.quick else remat.SHAPE,
                () if self.quick or self.cells else tuple(REGISTRY),
            ),
            "zoo": lambda: zoo.races(quick=self.quick),
            "ablation": lambda: ablation.races(ablation.QUICK if self.quick else ablation.FULL),
            "gpu": lambda: gpu.races(peers),
        }
        races = [race for section in SECTIONS if section in self._sections() for race in of_section[section]()]
        chosen = [race for race in races if self.topics is None or any(word in race.topic for word in self.topics)]
        check(bool(chosen), "--topics", self.topics, f"words of {', '.join(sorted({race.topic for race in races}))}")
        return chosen


@dataclasses.dataclass(frozen=True)
class Render:
    """Print the report of earlier runs from their files, and write it to a page, without measuring again."""

    files: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    """Files that --json has written; several make one report if they measure different rows."""
    docs: pathlib.Path | None = None
    """File for the report in Markdown."""

    def __call__(self) -> None:
        """Renders it."""
        check(bool(self.files), "FILE", self.files, "at least one file that --json has written")
        _publish([results.read(file, "FILE") for file in self.files], self.docs)


def _publish(documents: list[results.Document], docs: pathlib.Path | None) -> None:
    _print(report.parts(documents))
    if docs is not None:
        try:
            docs.write_text(report.markdown(documents))
        except OSError as error:
            check(False, "--docs", str(docs), f"a file that can be written ({error.strerror})")
        print(f"wrote {docs}")


def _one_line(race: Race, row: results.Row) -> str:
    """What a race has come to: for the one who waits."""
    first = next(iter(race.entries))
    least = value(row, first, "minimum")
    text = f"{race.section} {race.topic} {race.cell} {race.shape} {race.mode}: {first} "
    text += "not measured" if least is None else f"{1e3 * least:.3g} ms"
    others = {name: each["minimum"] for name, each in row["contestants"].items() if name != first and "minimum" in each}
    if least is not None and others:
        text += ", " + ", ".join(f"{name} x{each / least:.2f}" for name, each in others.items())
    failed = [name for name, each in row["contestants"].items() if "failed" in each]
    return text + (f"; failed: {', '.join(failed)}" if failed else "")


def _print(parts: list[report.Part]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console = console if console.is_terminal else Console(width=200)
    for part in parts:
        for each in part.tables:
            table = Table(*each.header, title=part.title, box=box.SIMPLE_HEAD, title_justify="left")
            for row in each.rows:
                table.add_row(*(cell.replace("**", "").replace("`", "") for cell in row))
            console.print(table)
        if not part.tables:
            console.print(f"{part.title}: {' '.join(part.text)}", markup=False, highlight=False)


Command = Annotated[Run, tyro.conf.subcommand("run")] | Annotated[Render, tyro.conf.subcommand("render")]


def main(arguments: list[str] | None = None) -> int:
    """The entry point; returns the exit code. `run` need not be written."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given = ["run", *given]
    return run_command(Command, PROGRAM, given, "Layers of this library side by side with those of others.")


if __name__ == "__main__":
    sys.exit(main())
