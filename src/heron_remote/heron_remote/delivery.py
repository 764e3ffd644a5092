"""Policies in a store: putting one there, finding one, and what there is.

    files/<sha256>                what policies consist of, each content once
    policies/<digest>.manifest    a policy: its files, signed
    names/<name>.pointer          which policy a name stands for, signed
    parts/                        being written

`push` writes files first, then the manifest, then the pointer, each of them beside and then moved. Whenever it is killed, everything that can be
found is whole: at most there are files that no manifest names yet, which the next push of that policy takes up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from heron_core.errors import HeronError
from heron_remote.keys import KeyRing
from heron_remote.manifest import MAX_BYTES, MAX_FILES, DeliveryError, FileEntry, Manifest, Pointer, check_name, is_digest, judge, sign
from heron_remote.store import PIECE_BYTES, MissingError, Store
from heron_vla.folder import load_policy

FILES, POLICIES, NAMES = "files", "policies", "names"
_MANIFEST, _POINTER = ".manifest", ".pointer"
_DIGITS = 64

Tell = Callable[[str], None]


class Found(NamedTuple):
    """A policy in a store.

    Attributes:
        manifest: what it consists of.
        pushed_ns: of the pointer, where it was found by a name; else of the manifest.
    """

    manifest: Manifest
    pushed_ns: int


class Row(NamedTuple):
    """A line of `stock`.

    Attributes:
        names: that stand for the policy.
        digest: of the policy, "" where a pointer cannot be believed.
        manifest: None where it cannot be believed.
        trouble: why `pull` would refuse, "" where it would not; the content of files is not read for it.
    """

    names: tuple[str, ...]
    digest: str
    manifest: Manifest | None
    trouble: str


def file_path(file: FileEntry) -> str:
    """Of a policy's file in the store."""
    return f"{FILES}/{file.sha256}"


def entry(path: Path) -> FileEntry:
    """What a manifest says of a file."""
    sha256, size = hashlib.sha256(), 0
    for piece in _pieces(path):
        sha256.update(piece)
        size += len(piece)
    return FileEntry(path.name, size, sha256.hexdigest())


def push(folder: Path, store: Store, ring: KeyRing, name: str | None, now_ns: int, tell: Tell = lambda text: None) -> Pointer:
    """Puts a policy into a store, under a name.

    Args:
        folder: of the policy; files only.
        store: to put it into.
        ring: its first key signs.
        name: that stands for it from now on; None: the name in policy.yaml.
        now_ns: time of day.
        tell: called with each step.

    Returns:
        The pointer that was written.

    Raises:
        InputError: the folder is no policy or holds what cannot be pushed, or the store refuses; nothing changed for those who pull.
    """
    files = tuple(entry(path) for path in _files(folder))
    opened = load_policy(folder)
    wanted = opened.spec.name if name is None else name
    try:
        check_name(wanted, "a policy")
    except ValueError as error:
        raise DeliveryError(f"{error}; give another one with --name") from error
    if is_digest(wanted):
        raise DeliveryError(f"{wanted} reads like a digest, and so cannot be a name; give another one with --name")
    for file in files:
        _put(folder / file.name, file, store, tell)
    pushed_ns = max(now_ns, _newest_ns(wanted, store, ring, tell) + 1)
    pointer = Pointer(wanted, opened.digest, pushed_ns)
    store.put(f"{POLICIES}/{opened.digest}{_MANIFEST}", [sign(Manifest(opened.digest, opened.spec.name, pushed_ns, files), ring)])
    store.put(f"{NAMES}/{wanted}{_POINTER}", [sign(pointer, ring)])
    return pointer


def find(wanted: str, store: Store, ring: KeyRing) -> Found:
    """The policy of a name, of a digest, or of a digest's first 12 digits or more.

    Raises:
        DeliveryError: there is none, or it is not authentic. StoreError: the store cannot be read.
    """
    if is_digest(wanted):
        manifest = _manifest(_whole(wanted, store), store, ring)
        return Found(manifest, manifest.pushed_ns)
    try:
        check_name(wanted, "a policy")
    except ValueError as error:
        raise DeliveryError(str(error)) from error
    pointer = _pointer(wanted, store, ring)
    return Found(_manifest(pointer.policy, store, ring), pointer.pushed_ns)


def stock(store: Store, ring: KeyRing) -> list[Row]:
    """Every policy of a store, the newest first, and then what cannot be believed."""
    names: dict[str, list[str]] = {}
    doubtful: list[Row] = []
    for file in store.names(NAMES):
        name = file.removesuffix(_POINTER)
        try:
            names.setdefault(_pointer(name, store, ring).policy, []).append(name)
        except HeronError as error:
            doubtful.append(Row((name,), "", None, str(error)))
    rows: list[Row] = []
    for digest in sorted({*names, *(file.removesuffix(_MANIFEST) for file in store.names(POLICIES))}):
        known = tuple(names.get(digest, ()))
        try:
            manifest = _manifest(digest, store, ring)
        except HeronError as error:
            doubtful.append(Row(known, digest, None, str(error)))
            continue
        missing = [file.name for file in manifest.files if store.size(file_path(file)) != file.size]
        trouble = f"{', '.join(missing)} missing or cut short; push the policy again" if missing else ""
        rows.append(Row(known, digest, manifest, trouble))
    rows.sort(key=lambda row: -(row.manifest.pushed_ns if row.manifest else 0))
    return [*rows, *doubtful]


def _files(folder: Path) -> list[Path]:
    """What is in the folder; DeliveryError where that is no plain folder of files."""
    if not folder.is_dir():
        raise DeliveryError(f"{folder}: no such policy folder")
    found = sorted(folder.iterdir())
    for path in found:
        try:
            check_name(path.name, "a file")
        except ValueError as error:
            raise DeliveryError(f"{path}: {error}; move it out of the policy folder") from error
        if not path.is_file():
            raise DeliveryError(f"{path}: not a file, and a policy folder has files only; move it out of the policy folder")
    if len(found) > MAX_FILES:
        raise DeliveryError(f"{folder}: {len(found)} files, a policy has at most {MAX_FILES}; move out what does not belong to it")
    return found


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _put(path: Path, file: FileEntry, store: Store, tell: Tell) -> None:
    """Puts a file where it is not yet; what is there is read, for it may be damaged."""
    where = file_path(file)
    if store.size(where) == file.size and store.sha256(where) == file.sha256:
        tell(f"{file.name}: is there already")
        return
    tell(f"{file.name}: {file.size / 1e6:.1f} MB")
    read = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in _pieces(path):
            read.update(piece)
            yield piece
        if read.hexdigest() != file.sha256:
            raise DeliveryError(f"{path}: changed while it was pushed; push again when nobody writes to it")

    store.put(where, pieces())


def _newest_ns(name: str, store: Store, ring: KeyRing, tell: Tell) -> int:
    """When this name was pushed last, by whatever clock; 0: never."""
    try:
        return _pointer(name, store, ring).pushed_ns
    except MissingError:
        return 0
    except DeliveryError as error:
        tell(f"replaced, since it could not be believed: {error}")
        return 0


def _pointer(name: str, store: Store, ring: KeyRing) -> Pointer:
    path = f"{NAMES}/{name}{_POINTER}"
    try:
        pointer = judge(store.read(path, MAX_BYTES), Pointer, ring, f"{store.name}/{path}")
    except MissingError as error:
        there = ", ".join(file.removesuffix(_POINTER) for file in store.names(NAMES)[:20])
        raise MissingError(f"store {store.name} has no policy called {name}; it has {there or 'none'} (./heron model list)") from error
    if pointer.name != name:
        raise DeliveryError(f"{store.name}/{path}: is the pointer of {pointer.name}, put in the place of another; push the policy again")
    return pointer


def _manifest(digest: str, store: Store, ring: KeyRing) -> Manifest:
    path = f"{POLICIES}/{digest}{_MANIFEST}"
    try:
        manifest = judge(store.read(path, MAX_BYTES), Manifest, ring, f"{store.name}/{path}")
    except MissingError as error:
        raise MissingError(f"store {store.name} has no policy {digest[:12]}; see ./heron model list") from error
    if manifest.policy != digest:
        raise DeliveryError(f"{store.name}/{path}: is the manifest of {manifest.policy[:12]}, put in the place of another; push the policy again")
    return manifest


def _whole(begin: str, store: Store) -> str:
    """The digest that begins so."""
    if len(begin) == _DIGITS:
        return begin
    found = [file.removesuffix(_MANIFEST) for file in store.names(POLICIES) if file.startswith(begin)]
    if len(found) != 1:
        raise MissingError(f"store {store.name} has {len(found)} policies whose digest begins with {begin}; see ./heron model list")
    return found[0]
