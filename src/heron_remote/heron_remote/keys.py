"""The key file: who may speak between vehicle and server. Whoever holds a key of it may plan for the car, so the file is checked like a private key.

    keys:
    - id: 2
      secret: <base64 of 32 random bytes>
      not_after: 2027-01-01     # optional: the last day (UTC) on which it is taken
    - id: 1
      secret: …

The first key signs, all of them are accepted. The server answers with the key that the vehicle signed with, so a rotation has no gap: `rotate` the
file of the server, start the server anew, then copy the file to the vehicle. A key that leaked ends with `rotate(path, keep=0)` and a copy at once.

No secret leaves this file: not in a repr, not in an error text (which therefore never quotes a value), not in the traceback of one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from heron_core.errors import ConfigError

SECRET_BYTES = 32
TAG_BYTES = 32
MAX_KEYS = 3
"""Keys in one file: one that signs and two that are on their way out."""

_MAX_ID = 0xFFFF
_MAX_FILE_BYTES = 65_536
_MIN_DISTINCT = 16  # of 32 random bytes fewer differ with a probability below 1e-16
_FIELDS = ("id", "secret", "not_after")
_HEADER = "# Keys between vehicle and server: the first signs, all are accepted. Copy it by a safe way (scp -p), and never commit it.\n"
_NEW = "make a new file with ./heron remote key new"
_ROTATE = "put a new key in front with ./heron remote key rotate, and copy the file to the other host"


class Key:
    """One key, ready to authenticate; its secret cannot be read back.

    Attributes:
        id: 1 … 65535, names the key in an envelope.
    """

    __slots__ = ("_keyed", "id")

    def __init__(self, number: int, secret: bytes) -> None:
        self.id = number
        self._keyed = hashlib.blake2b(key=secret, digest_size=TAG_BYTES)

    def __repr__(self) -> str:
        return f"Key(id={self.id})"

    def tag(self, parts: Iterable[bytes | bytearray | memoryview]) -> bytes:
        """Keyed BLAKE2b-256 (RFC 7693) over the parts, one after the other; nothing is copied."""
        keyed = self._keyed.copy()
        for part in parts:
            keyed.update(part)
        return keyed.digest()


class KeyRing:
    """The keys of one file.

    Attributes:
        signing: what this end signs with.
        expired: ids of accepted keys that were left out because their last day is over.
    """

    def __init__(self, keys: Sequence[Key], expired: Sequence[int] = ()) -> None:
        self.signing = keys[0]
        self.expired = tuple(expired)
        self._keys = {key.id: key for key in keys}

    def __repr__(self) -> str:
        return f"KeyRing(ids={self.ids})"

    @property
    def ids(self) -> tuple[int, ...]:
        """Of every accepted key, the signing one first."""
        return tuple(self._keys)

    def find(self, number: int) -> Key | None:
        """The accepted key of this id."""
        return self._keys.get(number)


@dataclass(frozen=True, slots=True)
class _Entry:
    id: int
    secret: bytes = field(repr=False)
    not_after: date | None = None


def load_keys(path: Path, today: date | None = None) -> KeyRing:
    """The keys of a file.

    Args:
        path: the file; a symbolic link is judged by the file that it leads to.
        today: which keys are expired is judged by this day; None: today in UTC.

    Raises:
        ConfigError: no such file, open to other users, not ours, weak, doubled or unknown content, or a signing key that is expired. The text
            names the file, the finding and the remedy.
    """
    day = _today() if today is None else today
    entries = _entries(path)
    if _expired(entries[0], day):
        raise ConfigError(f"{path}: the signing key {entries[0].id} expired after {entries[0].not_after}; {_ROTATE}")
    taken = [Key(entry.id, entry.secret) for entry in entries if not _expired(entry, day)]
    return KeyRing(taken, [entry.id for entry in entries if _expired(entry, day)])


def write_new_key(path: Path, not_after: date | None = None) -> int:
    """Makes a key file with one new key, readable by this user only; gives the key's id.

    Raises:
        ConfigError: the file exists already (it is left as it is), or cannot be made.
    """
    _write(path, [_Entry(1, secrets.token_bytes(SECRET_BYTES), not_after)])
    return 1


def rotate(path: Path, keep: int = MAX_KEYS - 1, not_after: date | None = None, today: date | None = None) -> int:
    """Puts a new key in front of a key file, in one step that a crash cannot halve; gives the new key's id.

    Args:
        path: the file; where it is a symbolic link, the file that it leads to is rewritten.
        keep: so many of the previous keys stay accepted, newest first, expired ones aside; 0 where they may have leaked.
        not_after: last day of the new key.
        today: as in `load_keys`.

    Raises:
        ConfigError: as `load_keys` (but an expired signing key may be rotated out), or `keep` is out of range, or the file cannot be written.
    """
    if not 0 <= keep < MAX_KEYS:
        raise ConfigError(f"{path}: keep is {keep}, allowed are 0 to {MAX_KEYS - 1} previous keys")
    entries = _entries(path)
    day = _today() if today is None else today
    highest = max(entry.id for entry in entries)
    used = {entry.id for entry in entries}
    number = highest + 1 if highest < _MAX_ID else next(free for free in range(1, _MAX_ID) if free not in used)
    kept = [entry for entry in entries if not _expired(entry, day)][:keep]
    target = path.resolve()
    beside = target.with_name(f".{target.name}.new")
    _write(beside, [_Entry(number, secrets.token_bytes(SECRET_BYTES), not_after), *kept])
    try:
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be replaced: {error.strerror}; the old keys are still in force") from None
    return number


def _today() -> date:
    return datetime.now(timezone.utc).date()


def _expired(entry: _Entry, day: date) -> bool:
    return entry.not_after is not None and day > entry.not_after


def _write(path: Path, entries: Sequence[_Entry]) -> None:
    listed = [{name: getattr(entry, name) for name in ("id", "not_after") if getattr(entry, name) is not None} for entry in entries]
    for shown, entry in zip(listed, entries, strict=True):
        shown["secret"] = base64.b64encode(entry.secret).decode()
    text = _HEADER + yaml.safe_dump({"keys": listed}, sort_keys=False)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path}: exists already; move it away first, or give another name") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # whatever the umask is
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _guarded_bytes(path: Path) -> bytes:
    """The file's content, if nobody else could read or change it. What is judged is what is read: the open file, not the name."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a named pipe must not make us wait
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; {_NEW}, or copy the file of the other host") from None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{path}: is not a regular file; {_NEW}")
        if found.st_uid not in (0, os.geteuid()):
            raise ConfigError(f"{path}: belongs to user {found.st_uid}, who could change it; make it yours: sudo chown {os.geteuid()} {path}")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            cure = f"chmod 600 {path}, then ./heron remote key rotate {path} --keep 0"
            raise ConfigError(f"{path}: mode {mode:04o} opens it to other users, who may then plan for the car; {cure}")
        if found.st_size > _MAX_FILE_BYTES:
            raise ConfigError(f"{path}: {found.st_size} bytes, a key file has at most {_MAX_FILE_BYTES}; {_NEW}")
        return os.read(handle, _MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    finally:
        os.close(handle)


def _entries(path: Path) -> list[_Entry]:
    try:
        content = yaml.safe_load(_guarded_bytes(path).decode())
    except yaml.MarkedYAMLError as error:  # its own text quotes the line, and with it a secret
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}: not valid yaml in line {line}; {_NEW}") from None
    except (yaml.YAMLError, ValueError):  # ValueError: not UTF-8, or a date that no calendar has
        raise ConfigError(f"{path}: not valid yaml; {_NEW}") from None
    if not isinstance(content, dict) or set(content) != {"keys"} or not isinstance(content["keys"], list):
        raise ConfigError(f"{path}: expected one list named keys and nothing else; {_NEW}")
    if not 1 <= len(content["keys"]) <= MAX_KEYS:
        raise ConfigError(f"{path}: {len(content['keys'])} keys, expected 1 to {MAX_KEYS}; take the oldest out, or {_NEW}")
    entries = [_entry(item, f"{path}: keys[{number}]") for number, item in enumerate(content["keys"])]
    for what in ("id", "secret"):
        if len({getattr(entry, what) for entry in entries}) < len(entries):
            raise ConfigError(f"{path}: two keys have the same {what}; take one of them out")
    return entries


def _entry(item: Any, where: str) -> _Entry:
    if not isinstance(item, dict):
        raise ConfigError(f"{where}: not a mapping of {', '.join(_FIELDS)}; {_NEW}")
    if not set(item) <= set(_FIELDS):  # the unknown name is not shown: in a file that went wrong it may be the secret
        raise ConfigError(f"{where}: has an unknown field (known: {', '.join(_FIELDS)}); take it out")
    number, secret, not_after = item.get("id"), item.get("secret"), item.get("not_after")
    if type(number) is not int or not 1 <= number <= _MAX_ID:
        raise ConfigError(f"{where}.id: expected a whole number from 1 to {_MAX_ID}")
    if not_after is not None and type(not_after) is not date:
        raise ConfigError(f"{where}.not_after: expected a day such as 2027-01-01")
    return _Entry(number, _secret(secret, f"{where}.secret"), not_after)


def _secret(text: Any, where: str) -> bytes:
    try:
        secret = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise ConfigError(f"{where}: not the base64 of {SECRET_BYTES} bytes; {_NEW}")
    if len(set(secret)) < _MIN_DISTINCT or all(0x20 <= byte < 0x7F for byte in secret):
        raise ConfigError(f"{where}: weak: {SECRET_BYTES} bytes that are not random (a text, or a few values again and again); {_NEW}")
    return secret
