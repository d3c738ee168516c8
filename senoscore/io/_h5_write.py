"""HDF5 files written whole or not at all, also when the disk is full."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py

from senoscore._atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["create_h5"]


class _Enduring(io.RawIOBase):
    """A file that says only at the end that a write failed.

    HDF5 keeps what it could not write and tries again at every close; on a full disk the process
    ends in a crash, without a message and past every clean-up.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw
        self.failure: OSError | None = None

    def write(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        while self.failure is None and done < view.nbytes:
            try:
                done += self._raw.write(view[done:])  # a full disk may take a part
            except OSError as error:
                self.failure = error
        self._raw.seek(view.nbytes - done, io.SEEK_CUR)
        return view.nbytes

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = self._raw.readinto(view) or 0
        view[done:] = bytes(view.nbytes - done)  # beyond the end, after a failure
        return view.nbytes

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._raw.seek(offset, whence))

    def tell(self) -> int:
        return int(self._raw.tell())

    def truncate(self, size: int | None = None) -> int:
        return int(self._raw.truncate(size))

    def flush(self) -> None:
        """Leave it to the one flush at the end."""


@contextmanager
def create_h5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Open a new HDF5 file that takes its place if the block ends well.

    Parameters
    ----------
    path
        Where the finished file shall be.
    **options
        Of :class:`h5py.File`.

    Raises
    ------
    InputError
        The folder cannot be written to, or the disk is full.
    """
    with atomic_path(path) as temporary, temporary.open("w+b", buffering=0) as raw:
        file = _Enduring(raw)
        with h5py.File(file, "w", **options) as opened:
            yield opened
        if file.failure is not None:
            raise file.failure
