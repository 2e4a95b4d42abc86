"""Files of data, wherever they lie: a folder, an archive, one file, any of them compressed."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import gzip
import io
import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from rnnjax.errors import InputError, check

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_DAMAGED = (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file of a data set.

    Attributes:
      name: its path below the folder or in the archive, with `/` between the parts and without a last `.gz`.
      read: gives its bytes, decompressed.
    """

    name: str
    read: Callable[[], bytes]

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders on the way to it, and its own name."""
        return tuple(self.name.split("/"))


def entries(path: str | os.PathLike, argument: str = "data") -> list[Entry]:
    """The files of a folder (and of the folders in it), of a `.tar.gz`, `.tar`, or `.zip`, sorted by name.

    Any other file is the one entry of itself. What has the ending `.gz` is decompressed when it is read. Files and
    folders whose name begins with a dot are left out. A folder that holds an archive and nothing else is that archive.
    An archive is held in memory as long as one of its entries is.

    Args:
      path: the folder, archive or file.
      argument: what an error calls it.

    Raises:
      InputError: nothing there, a damaged archive, or nothing in it; on reading, a file that cannot be read.
    """
    place = pathlib.Path(path)
    check(bool(str(path)) and place.exists(), argument, str(path), "a file, a folder, a .tar.gz or a .zip that exists")
    name = place.name.lower()
    try:
        if place.is_dir():
            found = [_file(child, child.relative_to(place).as_posix()) for child in place.rglob("*") if child.is_file()]
        elif name.endswith(_TARS):
            found = _from_tar(place)
        elif name.endswith(".zip"):
            found = _from_zip(place)
        else:
            return [_file(place, place.name)]
    except _DAMAGED as error:
        raise InputError(argument, str(path), f"a folder or an archive that can be read ({error})") from None
    found = [entry for entry in found if not any(part.startswith(".") for part in entry.parts)]
    check(bool(found), argument, str(path), "a folder or an archive with files in it")
    if place.is_dir() and len(found) == 1 and found[0].name.lower().endswith((*_TARS, ".zip")):
        return entries(place / found[0].name, argument)
    return sorted(found, key=lambda entry: entry.name)


def find(path: str | os.PathLike, pattern: str, argument: str = "data") -> Entry:
    """The one file whose name matches a pattern as of a shell: its whole name, or the part after the last `/`.

    Raises:
      InputError: none that matches, or more than one, with what there is; and as `entries`.
    """
    here = entries(path, argument)
    whole = [entry for entry in here if fnmatch.fnmatchcase(entry.name, pattern)]
    found = whole or [entry for entry in here if fnmatch.fnmatchcase(entry.parts[-1], pattern)]
    if len(found) != 1:
        names = [entry.name for entry in (found or here)]
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        count = "none matches" if not found else f"{len(found)} match"
        raise InputError(argument, str(path), f"one file {pattern} ({count}; there are {shown})")
    return found[0]


def text_of(entry: Entry) -> str:
    r"""The text of a file: UTF-8, a byte order mark taken off, line ends `\r\n` made `\n`.

    Raises:
      InputError: a byte that is no UTF-8, or a NUL, named by file and line.
    """
    raw = entry.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from behind a byte order mark.
        at = error.start + (3 if raw.startswith(b"\xef\xbb\xbf") else 0)
        line = raw.count(b"\n", 0, at) + 1
        given = f"the byte 0x{raw[at]:02x}"
        raise InputError(place_of(entry.name, line), given, "text in UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(place_of(entry.name, line), "a NUL character", "text in UTF-8")
    return text.replace("\r\n", "\n")


def lines_of(entry: Entry) -> list[str]:
    r"""The lines of a text, without their ends; line i + 1 of the file is number i. Only `\n` and `\r\n` end a line.

    Raises:
      InputError: as `text_of`.
    """
    lines = text_of(entry).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def place_of(name: str, line: int) -> str:
    """How an error names a line of a file, the first being 1."""
    return f"{name}, line {line}"


def _file(path: pathlib.Path, name: str) -> Entry:
    def read() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(str(path), "a file", f"one that can be read ({error.strerror})") from None

    return _entry(name, read)


def _from_tar(path: pathlib.Path) -> list[Entry]:
    """The files of a tar archive. It is decompressed once, as a compressed one cannot be read out of order."""
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        raw: list[bytes] = []
        for member in members:
            file = archive.extractfile(member)
            assert file is not None  # of a regular file there is one
            raw.append(file.read())
    return [
        _entry(member.name.removeprefix("./"), lambda held=held: held)
        for member, held in zip(members, raw, strict=True)
    ]


def _from_zip(path: pathlib.Path) -> list[Entry]:
    archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    names = [info.filename for info in archive.infolist() if not info.is_dir()]

    def read(name: str) -> bytes:
        try:
            return archive.read(name)
        except (*_DAMAGED, RuntimeError, NotImplementedError) as error:
            raise InputError(str(path), name, f"a file in the archive that can be read ({error})") from None

    return [_entry(name, functools.partial(read, name)) for name in names]


def _entry(name: str, read: Callable[[], bytes]) -> Entry:
    if not name.lower().endswith(".gz") or name.lower().endswith(_TARS):
        return Entry(name, read)

    def decompressed() -> bytes:
        try:
            return gzip.decompress(read())
        except _DAMAGED as error:
            raise InputError(name, "a file", f"one that gzip can decompress ({error})") from None

    return Entry(name[: -len(".gz")], decompressed)
