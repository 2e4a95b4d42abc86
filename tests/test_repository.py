"""The repository's own laws: what importing costs, what is in the tree, and that its files agree with each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import rnnjax

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "rnnjax").rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked() -> list[Path]:
    """The files that git knows; in a copy without git, all but what hides behind a dot or is built."""
    if (ROOT / ".git").exists():
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / name for name in names.split("\0") if name]
    else:
        built = {"__pycache__", "build", "dist", "runs", "site"}
        paths = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") or part in built for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in paths if path.is_file()]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cell_alone_needs_jax_and_numpy_only():
    imported = {name.split(".")[0] for name in python("import sys, rnnjax; print(*sys.modules)").split()}
    assert {"jax", "numpy"} <= imported
    heavy = {"flax", "optax", "orbax", "matplotlib", "sklearn", "tyro", "rich", "tensorboardX", "experiments"}
    assert not imported & heavy


def test_import_adds_at_most_half_a_second_to_jax():
    clock = "import time, jax; start = time.process_time(); import rnnjax; print(time.process_time() - start)"
    seconds = []
    while not seconds or (min(seconds) > 0.5 and len(seconds) < 8):  # of the processor, the least: it may be busy
        seconds.append(float(python(clock)))
    assert min(seconds) <= 0.5, f"import rnnjax took {seconds} seconds after import jax"


def test_no_file_is_larger_than_200_kb():
    assert {named(path): path.stat().st_size for path in tracked() if path.stat().st_size > 200_000} == {}


def test_every_name_says_something():
    empty = {"util", "utils", "helper", "helpers", "common", "misc"}
    stems = {path: {part.split(".")[0] for part in path.relative_to(ROOT).parts} for path in tracked()}
    assert [named(path) for path in tracked() if stems[path] & empty] == []


# Written in pieces, so that this file does not contain what it looks for.
HOSTS = [
    r"\.".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "(com|org)"),
        ("anaconda", "org"),
        ("(ghcr|docker|quay)", "io"),
        ("download", "pytorch", "org"),
        ("(storage|packages?)", "(cloud|googleapis)"),
        ("raw", "githubusercontent"),
        ("huggingface", "co"),
        ("amazonaws", "com"),
    )
]
OPTIONS = ["--(extra-)?index" + "-url", "--find" + "-links", r"https?://[^\s)\"]*/(simple|packages|debian|registry)/"]
ADDRESS = re.compile("|".join(HOSTS + OPTIONS))


@pytest.mark.parametrize(
    "line",
    ["https://" + "pypi" + ".org/project", "pip install --find" + "-links x", "http://mirror.test/" + "simple/jax"],
)
def test_an_address_is_recognised(line):
    assert ADDRESS.search(line)


def test_no_registry_or_download_host_is_named():
    found = {}
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found |= {named(path): match.group() for match in ADDRESS.finditer(text)}
    assert found == {}


def canonical(requirement: str) -> str:
    """The name in a requirement, as an index spells it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def test_constraints_are_names_and_versions_of_all_that_is_asked_for():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==\d[\w.]*", line)] == []
    constrained = {canonical(line) for line in lines}
    assert [name for name in constrained if name.startswith(("torch", "nvidia", "jax-cuda", "libtpu"))] == []
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = [*PYPROJECT["project"]["dependencies"], *extras["tensorboard"], *extras["test"], *extras["docs"]]
    assert {canonical(requirement) for requirement in asked} - constrained == set()


def public(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module has none"
    assert [node.name for node in public(tree) if not ast.get_docstring(node)] == []


def test_all_files_name_the_same_version():
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "rnnjax/__init__.py"
    cited = re.search(r"^version: *(\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    released = re.search(r"^## \[?v?(\d\S*?)\]?(\s|$)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert cited and cited[1] == rnnjax.__version__
    assert released and released[1] == rnnjax.__version__
