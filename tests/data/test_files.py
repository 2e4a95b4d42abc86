"""Files of data: the same entries from a folder, a tar and a zip, and errors that name file and line."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from rnnjax import InputError
from rnnjax.data.files import entries, find, lines_of, text_of

HELD = {"b/two.txt": b"two\r\nlines\n", "a.txt": "Žluť\n".encode(), "b/one.txt": b"one"}


def written(tmp_path, kind):
    if kind == "folder":
        for name, raw in HELD.items():
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        (tmp_path / "set" / ".hidden").write_bytes(b"x")
        return tmp_path / "set"
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, raw in HELD.items():
                archive.writestr(name, raw)
        return path
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
        for name, raw in HELD.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz", "zip"])
def test_the_same_entries_wherever_they_lie(tmp_path, kind):
    found = entries(written(tmp_path, kind))
    assert [entry.name for entry in found] == sorted(HELD)
    assert {entry.name: entry.read() for entry in found} == HELD


def test_a_folder_with_one_archive_is_that_archive(tmp_path):
    path = written(tmp_path, "tar.gz")
    assert [entry.name for entry in entries(path.parent)] == [entry.name for entry in entries(path)]


def test_one_file_is_one_entry_and_gz_is_taken_off(tmp_path):
    (tmp_path / "text.txt").write_bytes(HELD["a.txt"])
    (tmp_path / "text.csv.gz").write_bytes(gzip.compress(HELD["a.txt"]))
    for name, shown in (("text.txt", "text.txt"), ("text.csv.gz", "text.csv")):
        (entry,) = entries(tmp_path / name)
        assert entry.name == shown and entry.read() == HELD["a.txt"]


def test_text_and_lines(tmp_path):
    (tmp_path / "text.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo\x0b\xe2\x80\xa8three\n")
    (entry,) = entries(tmp_path / "text.txt")
    assert text_of(entry) == "one\n\ntwo\x0b\u2028three\n"
    assert lines_of(entry) == ["one", "", "two\x0b\u2028three"]


@pytest.mark.parametrize(
    ("raw", "line"),
    [(b"one\ntwo\xff\n", 2), (b"\xef\xbb\xbf\n\n\xe9t\xe9", 3), ("a\n".encode("utf-16"), 1), (b"a\nb\0c", 2)],
)
def test_what_is_no_text_is_named_by_file_and_line(tmp_path, raw, line):
    (tmp_path / "bad.txt").write_bytes(raw)
    with pytest.raises(InputError, match="UTF-8") as error:
        text_of(entries(tmp_path / "bad.txt")[0])
    assert error.value.argument == f"bad.txt, line {line}"


def test_find_takes_one_and_lists_what_there_is(tmp_path):
    place = written(tmp_path, "folder")
    assert find(place, "two.*").name == find(place, "b/t*.txt").name == "b/two.txt"
    for pattern in ("*.csv", "*.txt"):
        with pytest.raises(InputError, match=r"a\.txt, b/one\.txt, b/two\.txt"):
            find(place, pattern)


def test_what_is_not_there_or_damaged_is_one_error(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    (tmp_path / "bad.tar.gz").write_bytes(gzip.compress(b"no tar"))
    (tmp_path / "cut.tar.gz").write_bytes(written(tmp_path, "tar.gz").read_bytes()[:60])
    for name in ("nowhere", "empty", "bad.zip", "bad.tar.gz", "cut.tar.gz"):
        with pytest.raises(InputError, match=rf"folder: got .*{name}"):
            entries(tmp_path / name, "folder")
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="gzip"):
        entries(tmp_path / "bad.gz")[0].read()
    with pytest.raises(InputError, match="data: got ''"):
        entries("")
