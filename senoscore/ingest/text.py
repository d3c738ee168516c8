"""Text files as people send them: compressed or not, any separator, with a limit on their size."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from isal import igzip
from isal.igzip_lib import IsalError

from senoscore.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


__all__ = ["Dialect", "is_number", "open_text", "read_lines", "sniff"]

_GZIP_MAGIC: Final = b"\x1f\x8b"
_FOREIGN: Final = {
    b"PK\x03\x04": ("an Excel workbook or a zip archive", "save it as TSV, or unpack it"),
    b"\x89HDF": ("an HDF5 file", "name it .h5ad or .h5"),
    b"BZh": ("compressed with bzip2", "unpack it, or use gzip"),
    b"\xfd7zX": ("compressed with xz", "unpack it, or use gzip"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it, or use gzip"),
    b"\xff\xfe": ("UTF-16 text", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "save it as UTF-8"),
}
_GZIP_ERRORS: Final[tuple[type[Exception], ...]] = (
    EOFError,
    gzip.BadGzipFile,
    zlib.error,
    cast("type[Exception]", IsalError),
)
_NUMBER: Final = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf(?:inity)?)|NA", re.I | re.ASCII
)
_BUFFER: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 28
_SNIFFED: Final = 200
_SNIFFED_BYTES: Final = 1 << 26
_LONGEST_LIST: Final = 1 << 31


class _Bounded(io.RawIOBase):
    """Bytes of a stream up to a limit; what is wrong with it becomes a clear error."""

    def __init__(self, stream: Any, path: Path, limit: int) -> None:
        self._stream, self._path, self._left, self._limit = stream, path, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview | bytearray) -> int:  # type: ignore[override]
        try:
            part = self._stream.read(len(buffer))
        except _GZIP_ERRORS as error:
            msg = f"{self._path} is damaged or cut short ({' '.join(str(error).split())})"
            raise InputError(msg, fix="copy or download it again: `gzip -t` must pass") from error
        self._left -= len(part)
        if self._left < 0:
            msg = f"{self._path} unfolds to more than {self._limit:,} bytes"
            raise InputError(msg, fix="raise the limit, ingest.max_gb, if the file can be trusted")
        if b"\0" in part:  # text readers would end a field there in silence
            msg = f"{self._path} has a NUL byte; it is not text"
            raise InputError(msg, fix="save it as UTF-8 text, or copy it again")
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def open_text(path: Path, *, max_bytes: int) -> Iterator[Any]:
    """Open a text file, gzip or not, as bytes.

    Parameters
    ----------
    path
        The file. Whether it is gzip is told from its first bytes, and has to fit its name.
    max_bytes
        Limit on the bytes it unfolds to.

    Raises
    ------
    InputError
        The file is missing, of another kind, damaged, or larger than the limit.
    """
    if not path.is_file():
        msg = f"{path} not found" if not path.exists() else f"{path} is not a regular file"
        raise InputError(msg, fix="check the path")
    try:
        with path.open("rb") as raw:
            head = raw.read(8)
            _refuse_foreign(path, head)
            raw.seek(0)
            packed = head.startswith(_GZIP_MAGIC)
            stream: Any = igzip.IGzipFile(fileobj=raw, mode="rb") if packed else raw
            with io.BufferedReader(_Bounded(stream, path, max_bytes), _BUFFER) as reader:
                yield reader
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise InputError(msg, fix="check the file and who may read it") from error


def _refuse_foreign(path: Path, head: bytes) -> None:
    if not head:
        msg = f"{path} is empty"
        raise InputError(msg, fix="copy or download it again")
    for magic, (what, fix) in _FOREIGN.items():
        if head.startswith(magic):
            msg = f"{path} is {what}, not a text table"
            raise InputError(msg, fix=fix)
    if path.suffix.lower() == ".gz" and not head.startswith(_GZIP_MAGIC):
        msg = f"{path} ends in .gz but is not compressed by gzip"
        raise InputError(msg, fix="download it again, or take .gz off its name if it is plain text")


def read_lines(path: Path, *, max_bytes: int) -> list[str]:
    """All lines of a text file of at most 2 GiB (names of cells), without their ends.

    Raises
    ------
    InputError
        As in :func:`open_text`.
    """
    with open_text(path, max_bytes=min(max_bytes, _LONGEST_LIST)) as handle:
        text = _decode(handle.read())[0]
    return _lines(text)


def _lines(text: str) -> list[str]:
    """Lines as the fast reader sees them: not cut at the rarer marks of Unicode."""
    lines = text.removeprefix("\ufeff").split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


def _decode(raw: bytes) -> tuple[str, str]:
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        if error.end >= len(raw) - 1 and error.reason == "unexpected end of data":
            return raw[: error.start].decode("utf-8"), "utf-8"  # cut in mid-letter by the sniffing
        return raw.decode("latin-1"), "latin-1"


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes
    ----------
    separator, encoding
        One character; ``utf-8`` or ``latin-1``.
    skip
        Comment lines before the header.
    header
        Fields of the first line, or None where that holds values already.
    rows
        Fields of the first lines after it.
    """

    separator: str
    encoding: str
    skip: int
    header: list[str] | None
    rows: list[list[str]]


def is_number(text: str) -> bool:
    """Whether a field is a number, or what tables write where one is missing."""
    text = text.strip()
    return not text or _NUMBER.fullmatch(text) is not None


def sniff(path: Path, *, max_bytes: int) -> Dialect:
    """Look at the first lines of a table.

    Raises
    ------
    InputError
        The file cannot be opened, has a header only, or no known separator.
    """
    with open_text(path, max_bytes=max_bytes) as handle:
        raw = list(_first_lines(handle, path))
    text, encoding = _decode(b"".join(raw))
    lines = _lines(text)
    if len(lines) == 1 and "\r" in lines[0]:
        msg = f"{path} has carriage returns where lines should end"
        raise InputError(msg, fix="save it with Unix or Windows line ends")
    skip = next(
        (i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines)
    )
    lines = [line for line in lines[skip:] if line.strip()]
    if len(lines) < 2:
        msg = f"{path} holds {len(lines)} line(s): a header and values are expected"
        raise InputError(msg, fix="check that the file is whole")
    separator = next((mark for mark in "\t,;|" if mark in lines[0] and mark in lines[1]), " ")
    rows = _fields(lines, separator, path)
    if len(rows[1]) < 2:
        msg = f"{path}: no separator found in {lines[1][:60]!r}"
        raise InputError(msg, fix="separate columns by tabs or commas")
    numbers = [is_number(field) and field.strip() != "" for field in rows[0][1:]]
    if any(numbers) and all(numbers) and len(rows[0]) == len(rows[1]):
        return Dialect(separator, encoding, skip, None, rows)
    return Dialect(separator, encoding, skip, rows[0], rows[1:])


def _first_lines(handle: Any, path: Path) -> Iterator[bytes]:
    """Two lines in any case, and more while they are few bytes."""
    total = 0
    for number in range(_SNIFFED):
        line = handle.readline(_LONGEST_LINE)
        total += len(line)
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            msg = f"{path}: line {number + 1} is longer than {_LONGEST_LINE:,} bytes"
            raise InputError(msg, fix="check that it is a table; give larger ones as .h5ad")
        if not line or (number >= 2 and total > _SNIFFED_BYTES):
            return
        yield line


def _fields(lines: list[str], separator: str, path: Path) -> list[list[str]]:
    csv.field_size_limit(_LONGEST_LINE)
    try:
        return list(csv.reader(lines, delimiter=separator))
    except csv.Error as error:
        msg = f"{path} cannot be read as a table: {error}"
        raise InputError(msg, fix="check quotes and separators in its first lines") from error
