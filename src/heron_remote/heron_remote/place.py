"""Puts a finished folder in the place of another in one step, so that nobody ever sees half of either."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from heron_core.errors import InputError
from heron_vla.contract import FILE

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of renameat2(2)


def previous_of(target: Path) -> Path:
    """Where the policy that `target` held before lies."""
    return target.with_name(f"{target.name}.previous")


def check_place(target: Path) -> None:
    """Whether a policy may be put there.

    Raises:
        InputError: something else than a policy would be replaced or deleted.
    """
    for path in (target, previous_of(target)):
        if path.exists() and not (path.is_dir() and ((path / FILE).is_file() or not any(path.iterdir()))):
            raise InputError(f"{path}: exists and is no policy folder; move it away, or name another folder")


def put_in_place(made: Path, target: Path) -> None:
    """Puts the folder `made` where `target` is; what was there stays as `NAME.previous`, in whose place what was before that is deleted.

    The two folders change places in one step (renameat2). Where the file system cannot, `target` is missing between two renames, and lies in
    `NAME.previous` if the power fails just then.

    Args:
        made: a whole folder in the same folder as `target`, written through to the disk.
        target: a folder that passed `check_place`; needs not exist.
    """
    previous = previous_of(target)
    if not target.exists():
        made.rename(target)
    else:
        if previous.exists():
            shutil.rmtree(previous)
        if _exchanged(made, target):
            made.rename(previous)
        else:
            _moved(made, target, previous)
    sync(target.parent)


def sync(folder: Path) -> None:
    """Has what stands in a folder written to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchanges two folders; False: this system or file system cannot."""
    exchange = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if exchange is None:
        return False
    if exchange(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _moved(made: Path, target: Path, previous: Path) -> None:
    target.rename(previous)
    try:
        made.rename(target)
    except OSError:
        previous.rename(target)
        raise
