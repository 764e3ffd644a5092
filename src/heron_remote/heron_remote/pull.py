"""Fetching a policy from a store: beside its place, checked in every byte, opened, and only then put where it is used."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from heron_core.errors import HeronError
from heron_remote.delivery import Tell, entry, file_path
from heron_remote.manifest import DeliveryError, FileEntry, Manifest
from heron_remote.place import check_place, put_in_place, sync
from heron_remote.store import Store
from heron_vla.folder import PolicyFolder, load_policy

_SPARE_BYTES = 1_000_000


def pull(manifest: Manifest, store: Store, out: Path, tell: Tell = lambda text: None, judge: Callable[[PolicyFolder], None] | None = None) -> bool:
    """Makes `out` the policy of a manifest; whatever fails, and whenever this is killed, `out` is the whole old or the whole new one.

    What was fetched before a stop lies in `.NAME.pull` beside `out`, and is used again.

    Args:
        manifest: as `delivery.find` gives it.
        store: that it was found in.
        out: the folder; new, empty, or a policy folder, which stays as `NAME.previous` until the next pull.
        tell: called with each step.
        judge: called with the policy before it is put in place; what it raises leaves the old one there.

    Returns:
        False: it was there already.

    Raises:
        HeronError: nothing was replaced; the text says why.
        OSError: the disk is full, or `out` cannot be written.
    """
    target = out.resolve()  # where it is a link, what it leads to is replaced
    check_place(target)
    if _is_there(target, manifest):
        return False
    beside = target.with_name(f".{target.name}.pull")
    beside.mkdir(parents=True, exist_ok=True)
    with _alone(beside):
        try:
            free = shutil.disk_usage(beside).free
            if manifest.size + _SPARE_BYTES > free:
                raise DeliveryError(f"{beside}: {manifest.size / 1e6:.1f} MB are wanted, the disk has {free / 1e6:.1f} MB; make room")
            for file in manifest.files:
                _fetch(file, store, beside, tell)
            wanted = {file.name for file in manifest.files}
            for path in beside.iterdir():  # of another policy, whose pull was stopped
                if path.name not in wanted:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            sync(beside)
            opened = load_policy(beside)
            if opened.digest != manifest.policy:
                raise DeliveryError(f"store {store.name}: the files make policy {opened.digest[:12]}, not {manifest.policy[:12]}; push it again")
            if judge is not None:
                judge(opened)
        except HeronError as error:
            stays = f"; {out} stays as it was" if target.exists() else ""
            raise DeliveryError(f"policy {manifest.policy[:12]} is refused: {error}{stays}") from error
        put_in_place(beside, target)
    return True


def _is_there(target: Path, manifest: Manifest) -> bool:
    """Whether the folder holds just these files."""
    if not target.is_dir() or {path.name for path in target.iterdir()} != {file.name for file in manifest.files}:
        return False
    return all(_holds(target / file.name, file) for file in manifest.files)


def _holds(path: Path, file: FileEntry) -> bool:
    return path.is_file() and path.stat().st_size == file.size and entry(path).sha256 == file.sha256


def _fetch(file: FileEntry, store: Store, beside: Path, tell: Tell) -> None:
    """One file, whole and checked, into the folder; goes on where an earlier attempt stopped."""
    if _holds(beside / file.name, file):
        tell(f"{file.name}: was fetched before")
        return
    where = file_path(file)
    size = store.size(where)
    if size != file.size:
        found = "is missing" if size is None else f"has {size} bytes"
        raise DeliveryError(f"store {store.name}: {where} ({file.name}) {found}, {file.size} are stated; push the policy again")
    part = beside / f"{file.sha256}.part"
    begin = part.stat().st_size if part.is_file() else 0
    if begin:
        tell(f"{file.name}: goes on at {begin / 1e6:.1f} of {file.size / 1e6:.1f} MB")
        _append(file, store, part, begin)
        if _holds(part, file):
            part.replace(beside / file.name)
            return
        part.unlink()  # what lay there was damaged
    tell(f"{file.name}: {file.size / 1e6:.1f} MB")
    _append(file, store, part, 0)
    if not _holds(part, file):
        part.unlink()
        raise DeliveryError(f"store {store.name}: {where} ({file.name}) is not what was pushed: altered, or cut on the way; pull or push again")
    part.replace(beside / file.name)


def _append(file: FileEntry, store: Store, part: Path, begin: int) -> None:
    with part.open("ab") as written:
        left = file.size - begin
        for piece in store.pieces(file_path(file), begin) if left > 0 else ():
            left -= len(piece)
            if left < 0:  # it grew after it was measured, and could fill the disk
                break
            written.write(piece)
        written.flush()
        os.fsync(written.fileno())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else pulls to the same place meanwhile; the lock ends with the process that holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeliveryError(f"{folder}: another pull to this place is under way; wait for it") from error
        yield
    finally:
        os.close(handle)
