"""Room on a disk: when it runs out, one error names the place, what is free and what helps, whoever noticed it: a file, Parquet, SQLite."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heron_core.errors import HeronError

FULL = (errno.ENOSPC, errno.EDQUOT)
SQLITE_FULL = 13  # https://www.sqlite.org/rescode.html#full; `sqlite3.SQLITE_FULL` is of Python 3.11
MB = 1e6


class DiskFullError(HeronError):
    """Nothing more can be written; what is finished is kept, and another run goes on with it."""

    is_failure = True


def is_full(error: BaseException | None) -> bool:
    """Whether it says that a disk or a quota is full, or was raised because of an error that does."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", None) == SQLITE_FULL or "disk is full" in str(error)):
            return True
        error = error.__cause__
    return False


class Room:
    """Of a dataset's folder, from now on.

    Args:
        out: the folder; it may not be there yet.

    Attributes:
        needed_bytes: to be written from now on, as estimated; None: not known.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._free_bytes = _free(out)[0]
        self.needed_bytes: int | None = None

    @property
    def lacks_bytes(self) -> int:
        """So many bytes more than there were free are needed; 0: they will do, or nobody knows."""
        return max((self.needed_bytes or 0) - self._free_bytes, 0)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Turns whatever says that the disk is full into one error.

        Raises:
            DiskFullError: it is.
        """
        try:
            yield
        except (OSError, sqlite3.Error, HeronError) as error:
            if isinstance(error, DiskFullError) or not is_full(error):
                raise
            raise self.error(getattr(error, "filename", None), getattr(error, "errno", None)) from error

    def error(self, path: str | Path | None = None, code: int | None = None) -> DiskFullError:
        """The error.

        Args:
            path: that could not be written; None: whoever failed did not say.
            code: errno.
        """
        free_bytes, files = _free(self._out)
        what = "the quota is used up" if code == errno.EDQUOT else "the disk has no room for more files" if files == 0 else "the disk is full"
        there = f"{free_bytes / MB:,.1f} MB are free"
        if self.needed_bytes is not None:
            more = max(self.needed_bytes - (self._free_bytes - free_bytes), 0)
            there += f", about {more / MB:,.1f} MB more are needed"
        return DiskFullError(f"{path or self._out}: {what}: {there}; make room and run it again: finished scenes are kept")


def _free(folder: Path) -> tuple[int, int]:
    """(bytes, files) that may still be written where the folder lies; files: -1 where the file system does not count them."""
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else -1
