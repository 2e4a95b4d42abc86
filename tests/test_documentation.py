"""The documentation's laws: its examples run and print what they say, its tables are those of the code, its links lead
somewhere, and everything public is in the reference."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import shlex
import sys
import types
import typing
import unicodedata
from pathlib import Path

import jax
import pytest
import tyro
import yaml

import rnnjax
from rnnjax import applications, initializers
from rnnjax.catalogue import catalogue, markdown
from rnnjax.cells import REGISTRY
from rnnjax.cli import Command
from rnnjax.commands.applications import command_of, laptop_of
from rnnjax.commands.run_options import RunOptions
from rnnjax.engines import ENGINES, TABLE
from rnnjax.tasks import REGISTRY as TASKS
from rnnjax.tasks import Adding
from rnnjax.training import STRATEGIES, Config, Optimizer, initial_state, make_update
from rnnjax.training.optimizer import make_optimizer

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SITE = ROOT / "mkdocs.yml"

if not SITE.exists():
    pytest.skip("a distribution without the documentation", allow_module_level=True)

PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [page for page in [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"] if page.exists()]
FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```[ ]*$", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def fences(page: Path) -> list[tuple[str, str, int]]:
    """The fenced blocks of a page: what is written behind the fence, the code, and the line where the code starts."""
    text = page.read_text()
    found = []
    for match in FENCE.finditer(text):
        indent, info, code = match.groups()
        code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
        found.append((info.strip(), code, text.count("\n", 0, match.start(3))))
    return found


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def table(page: Path, first_column: str) -> list[list[str]]:
    """The rows below the header of the table of a page whose first column has this title."""
    lines = page.read_text().splitlines()
    starts = [index for index, line in enumerate(lines) if line.startswith(f"| {first_column} |")]
    assert len(starts) == 1, f"{named(page)} has {len(starts)} tables that start with {first_column!r}"
    rows = []
    for line in lines[starts[0] + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" |")])
    return rows


# --- examples ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick_compilation():
    """Examples are small: most of their time would go into optimising programs that run for milliseconds."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # other tests may compare results bit for bit


RUN = [page for page in TEXTS if any(info == "python" for info, _, _ in fences(page))]
# A program for each of many functions, or for each of many engines and libraries.
LONG = ("docs/analysis.md", "docs/training.md", "docs/unroll.md", "docs/adapters.md", "docs/engines.md")
IN_FULL = [pytest.mark.exhaustive, pytest.mark.slow]
PRINTED = re.compile(r"^ *print\(.*\)(?:(?:  |\n *)# (.*))?$", re.MULTILINE)


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=IN_FULL if named(page) in LONG else []) for page in RUN], ids=named
)
def test_examples_run_and_print_what_they_say(page, tmp_path, monkeypatch):
    """The blocks of a page run one after the other, as one program; `print(...)  # text` prints that text, which
    may also stand on the line below. In the README comments say other things.
    """
    monkeypatch.chdir(tmp_path)
    program = types.ModuleType("documentation_example")
    monkeypatch.setitem(sys.modules, program.__name__, program)
    for info, code, line in fences(page):
        if info != "python":
            continue
        printed: list[str] = []
        program.__dict__["print"] = lambda *values, printed=printed: printed.append(" ".join(map(str, values)))
        exec(compile("\n" * line + code, str(page), "exec", dont_inherit=True), program.__dict__)
        if page.is_relative_to(DOCS):
            expected = PRINTED.findall(code)
            assert len(printed) == len(expected), f"{named(page)}, line {line}: one line for each call of print"
            said = [(text, comment) for text, comment in zip(printed, expected, strict=True) if comment]
            assert [text for text, _ in said] == [comment for _, comment in said], f"{named(page)}, line {line}"


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_a_block_is_run_or_says_that_it_is_not(page):
    """No block of Python escapes the test above by another name; `{.norun}` is for outlines of classes."""
    infos = [info for info, _, _ in fences(page)]
    assert set(infos) <= {"python", "python {.norun}", "sh", "text", "json", ""}
    assert infos.count("python {.norun}") <= 1


def shell_lines() -> list[str]:
    blocks = [code for page in TEXTS for info, code, _ in fences(page) if info == "sh"]
    lines = [line.split("  #")[0].strip() for code in blocks for line in code.splitlines()]
    return sorted({line for line in lines if line.startswith("rnnjax ")})


@pytest.mark.parametrize("line", shell_lines())
def test_a_command_is_understood(line):
    """The command line accepts every command that a page shows, and describes a valid run where it is one."""
    words = shlex.split(line)
    if words[1] in ("ablate", "search"):
        command = importlib.import_module(f"rnnjax.commands.{words[1]}").read(words[2:])
        if words[1] == "ablate":
            command.planned()
        return
    if words[1] == "train" and words[2] in applications.REGISTRY:
        command = tyro.cli(command_of(words[2]), args=words[3:], default=laptop_of(words[2]))
    else:
        command = tyro.cli(Command, args=words[1:])
    if isinstance(command, RunOptions):
        command.config()


# --- tables ------------------------------------------------------------------------------------------------------


def described(initializer: initializers.Initializer) -> str:
    """An initialiser in the words of the table of presets."""
    match initializer:
        case initializers.Constant(value):
            return f"{value:g}"
        case initializers.Normal(std):
            return f"N(0, {std:g}²)"
        case initializers.Uniform(bound, draws):
            one = "U(±1/√n)" if bound is None else f"U(±{bound:g})"
            return one if draws == 1 else f"sum of {draws} draws of {one}"
        case initializers.Glorot(distribution):
            return "Glorot " + distribution.replace("_", " ")
        case initializers.Lecun(distribution):
            return "LeCun " + distribution.replace("_", " ")
        case initializers.Orthogonal(1.0):
            return "orthogonal"
        case initializers.Fused(inner):
            return described(inner) + ", fused"
        case initializers.PerGate(gates, default):
            assert default is not None
            return ", ".join([*(f"{gate} {described(one)}" for gate, one in gates), f"others {described(default)}"])
        case initializers.Orthogonal(scale):
            return f"{scale:g} times orthogonal"
        case initializers.Identity(scale):
            return "identity" if scale == 1 else f"{scale:g} times the identity"
    assert type(initializer).__module__ != initializers.__name__, f"no words for {initializer}: add them here"
    return f"`{initializer!r}`"  # one of the cell's own


def described_part(start, part: str) -> str:
    """What a preset says of a kind of parameter; a dash where the cell has none."""
    return described(getattr(start, part)) if hasattr(start, part) else "–"


def preset_rows() -> list[list[str]]:
    return [
        [f"`{name}`", f"`{preset}`", *(described_part(start, part) for part in ("kernel", "recurrent", "bias"))]
        for name, cell in REGISTRY.items()
        for preset, start in getattr(cell, "presets", {}).items()
    ]


def written(rows: list[list[str]]) -> str:
    """Rows as they stand on a page: what to paste where a table is out of date."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def test_table_of_cells():
    """The page holds what `rnnjax cells --markdown` prints."""
    lines = markdown(catalogue())
    page = (DOCS / "cells_table.md").read_text().splitlines()
    start = page.index(lines[0])
    assert "\n".join(page[start : start + len(lines) + 1]) == "\n".join([*lines, ""])


def test_table_of_families_in_the_readme():
    """Every cell is in the README, once."""
    rows = table(ROOT / "README.md", "family")
    assert sorted(re.findall(r"`(\w+)`", " ".join(row[1] for row in rows))) == sorted(REGISTRY)


def test_table_of_presets():
    rows = table(DOCS / "cells_table.md", "cell")
    assert written(rows) == written(preset_rows())


def test_table_of_initializers():
    """Each initialiser is listed, with the arguments that it takes."""
    classes = [
        each
        for each in vars(initializers).values()
        if isinstance(each, type) and issubclass(each, initializers.Initializer) and not inspect.isabstract(each)
    ]
    calls = [f"`{each.__name__}({', '.join(field.name for field in dataclasses.fields(each))})`" for each in classes]
    assert sorted(row[0] for row in table(DOCS / "cell.md", "initialiser")) == sorted(calls)


def test_table_of_options_of_unroll():
    given = list(inspect.signature(rnnjax.unroll).parameters)[3:]
    rows = table(DOCS / "unroll.md", "option")
    assert [re.sub(r"\[`(\w+)`\].*", r"\1", row[0]) for row in rows] == given


def test_table_of_speed_in_the_readme():
    """What the README shows of the benchmark are lines of its page."""
    page = (DOCS / "benchmarks.md").read_text().splitlines()
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if re.match(r"\| .* \| all \|", line)]
    assert len(lines) == 2 and set(lines) <= set(page)


def test_tables_of_engines():
    """Each engine is listed, and what "auto" takes for which cells, by which table of the benchmark."""
    assert [re.sub(r"\[`(\w+)`\].*", r"\1", row[0]) for row in table(DOCS / "engines.md", "engine")] == list(ENGINES)
    lines = [[line.when, f"`{line.engine.name}`", line.row] for line in TABLE]
    assert table(DOCS / "engines.md", "cell") == lines


@pytest.mark.usefixtures("quick_compilation")
def test_table_of_tasks():
    """Each task and variant is listed, with the time, widths and baseline that it has by default."""
    expected = []
    for name, cls in TASKS.items():
        for variant in cls.variants or [""]:
            task = cls(**({"variant": variant} if variant else {}))
            steps = str(task.time)
            if task.variable_length:
                lengths = jax.jit(lambda key, task=task: task.sample(key, 1000).lengths)(jax.random.key(0))
                steps = f"{lengths.min()} to {task.time}"
            due = "last step" if task.many_to_one else "each step"
            widths = f"{task.in_features} → {task.outputs}"
            shown = f"`{variant}`" if variant else ""
            expected.append([f"`{name}`", shown, due, steps, widths, f"{task.baseline:.4f}"])
    rows = table(DOCS / "tasks.md", "task")
    assert [[*row[:5], row[6]] for row in rows] == expected


@pytest.mark.parametrize("cls", [Config, Optimizer])
def test_tables_of_fields(cls):
    """Each field of a configuration is listed, with its default."""
    rows = table(DOCS / "training.md", f"field of `{cls.__name__}`")
    documented = {name: row[-1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    fields = {field.name: field.default for field in dataclasses.fields(cls)}
    assert list(documented) == list(fields)
    for name, default in fields.items():
        shown = documented[name].split(":")[0].strip("` ")
        assert (shown == "") == (default is dataclasses.MISSING), name
        if shown:
            assert eval(shown, {"Optimizer": Optimizer}) == default, name


def test_tables_of_metrics():
    """Each number that an update or a record reports is listed."""
    config = Config(Adding(length=4), rnnjax.Elman(2), batch_size=2)
    state = jax.eval_shape(lambda key: initial_state(key, config), jax.random.key(0))
    batch = jax.eval_shape(lambda key: config.task.sample(key, 2), jax.random.key(0))
    metrics = jax.eval_shape(make_update(config), state, batch)[1]
    listed = {first: re.findall(r"`(\w+)`", " ".join(row[0] for row in table(DOCS / "training.md", first)))
              for first in ("update", "record")}  # fmt: skip
    assert sorted(listed["update"]) == sorted(metrics)
    source = inspect.getsource(importlib.import_module("rnnjax.training.train").records_of)
    assert listed["record"] and sorted(listed["record"]) == sorted(re.findall(r'^ {12}"(\w+)":', source, re.MULTILINE))


def test_tables_of_choices():
    """The tables name the strategies and commands that there are; choices in the text are accepted by the code."""
    strategies = [row[0].strip('`"') for row in table(DOCS / "training.md", "strategy")]
    assert strategies == list(STRATEGIES)
    commands = [typing.get_args(each)[0].__name__.lower() for each in typing.get_args(Command)]
    assert [row[0].strip("`").split()[1] for row in table(DOCS / "training.md", "command")] == commands
    for name, meaning, _ in table(DOCS / "training.md", "field of `Optimizer`"):
        if name in ("`name`", "`schedule`", "`clip`"):
            for choice in re.findall(r'`"(\w+)"`', meaning):
                make_optimizer(Optimizer(**{name.strip("`"): choice}), 10)


# --- links and reference -----------------------------------------------------------------------------------------

LINK = re.compile(r"(!?)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The headings of a page, as the site numbers them into addresses."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()))
    return found


@dataclasses.dataclass(frozen=True)
class Entry:
    """A block of the reference: an object, and which of its members are shown (`None`: all)."""

    identifier: str
    members: tuple[str, ...] | None

    def shows(self, module: str, name: str) -> bool:
        if self.identifier == f"{module}.{name}":
            return True
        return self.identifier == module and (self.members is None or name in self.members)


def entries(page: Path) -> list[Entry]:
    found = []
    for block in re.split(r"^::: +", page.read_text(), flags=re.MULTILINE)[1:]:
        identifier = block.split()[0]
        members = re.search(r"^ +members: *(.*)$", block, re.MULTILINE)
        listed = None if members is None else yaml.safe_load(members[1])
        found.append(Entry(identifier, None if listed is None else tuple(listed or ())))
    return found


def resolved(identifier: str) -> object:
    """The object of a dotted name. A module comes before an attribute of the same name."""
    try:
        return importlib.import_module(identifier)
    except ImportError:
        parent, _, name = identifier.rpartition(".")
        return getattr(resolved(parent), name)


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_links_lead_somewhere(page):
    """Files exist, headings exist, and addresses in the reference are those of objects that it shows."""
    broken = []
    for image, target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            assert not image, f"{target}: images are part of the site"
            continue
        name, _, anchor = target.partition("#")
        file = page if not name else (page.parent / name).resolve()
        if not file.exists():
            broken.append(target)
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            module, _, member = anchor.rpartition(".")
            if not any(entry.shows(module, member) for entry in entries(file)) or not hasattr(resolved(module), member):
                broken.append(target)
    assert broken == []


def test_the_site_has_every_page_and_nothing_from_elsewhere():
    site = yaml.safe_load(SITE.read_text())

    def files(part):
        parts = part.values() if isinstance(part, dict) else part
        return [part] if isinstance(part, str) else [file for each in parts for file in files(each)]

    assert sorted(files(site["nav"])) == sorted(str(page.relative_to(DOCS)) for page in PAGES)
    assert site["theme"]["font"] is False
    loaded = [*site.get("extra_css", []), *site.get("extra_javascript", [])]
    assert [name for name in loaded if not (DOCS / name).is_file()] == []
    for page in PAGES:
        assert not re.search(r"<(script|iframe|link)\b|src=[\"']?(https?:)?//", prose(page)), named(page)


@pytest.mark.parametrize(
    "package",
    [
        "rnnjax",
        "cells",
        "engines",
        "tasks",
        "models",
        "training",
        "analysis",
        "probe",
        "applications",
        "data",
        "metrics",
    ],
)
def test_everything_public_is_in_the_reference(package):
    module = importlib.import_module(package if package == "rnnjax" else f"rnnjax.{package}")
    shown = [entry for page in PAGES for entry in entries(page)]
    missing = []
    for name in module.__all__:
        thing = getattr(module, name)
        if callable(thing):
            places = {(module.__name__, name), (thing.__module__, name)}
            missing += [] if any(entry.shows(*place) for entry in shown for place in places) else [name]
    assert missing == []
