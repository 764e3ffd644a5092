"""What a store says of its policies, in two kinds of small signed files: the manifest of a policy, and the pointer from a name to a policy.

    heron-delivery 1 manifest 3 <64 hexadecimal digits>      kind, id of the key, keyed BLAKE2b-256
    {"files": [{"name": "driver.onnx", "sha256": …, "size": …}, …], "policy": …, "pushed_ns": …, "title": …}

The tag covers kind, key id and every byte of the second line, and is judged before a byte of that line is decoded. It is a **code of a shared key,
not a public-key signature**: whoever can check it can make it. It keeps out who can write to the store but has no key file; it does not tell the
holders of the key file from one another. Nor does it hide anything: policies lie readable in the store. Who writes to the store without a key can
still take files away, or put back an older pointer that was true once: pointers are numbered by time, and a server that follows a name never goes
back while it runs.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from heron_core.errors import InputError
from heron_core.settings import from_mapping
from heron_remote.keys import KeyRing
from heron_vla.contract import FILE

Kind = Literal["manifest", "pointer"]
Said = TypeVar("Said", "Manifest", "Pointer")

MAX_BYTES = 100_000
"""Of a signed file."""
MAX_FILES = 64
MAX_FILE_BYTES = 1 << 40

_HEAD = re.compile(rb"heron-delivery 1 (manifest|pointer) ([1-9][0-9]{0,4}) ([0-9a-f]{64})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{12,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class DeliveryError(InputError):
    """What lies in the store is not what was pushed, or cannot be taken; the text says why."""


@dataclass(frozen=True)
class FileEntry:
    """A file of a policy folder: its bare name, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        check_name(self.name, "a file")
        if not 0 <= self.size <= MAX_FILE_BYTES:
            raise ValueError(f"size = {self.size}, allowed 0 .. {MAX_FILE_BYTES}")
        _check_sha256(self.sha256)


@dataclass(frozen=True)
class Manifest:
    """What a policy consists of.

    Attributes:
        policy: `PolicyFolder.digest`.
        title: its name in policy.yaml.
        pushed_ns: when, by the clock of the host that pushed.
        files: all of the folder, policy.yaml among them.
    """

    policy: str
    title: str
    pushed_ns: int
    files: tuple[FileEntry, ...]

    def __post_init__(self) -> None:
        _check_sha256(self.policy)
        names = [file.name.lower() for file in self.files]  # some file systems do not tell A from a
        if len(set(names)) != len(names) or FILE not in names or len(names) > MAX_FILES:
            raise ValueError(f"files = {names[:8]}, expected at most {MAX_FILES} different names, {FILE} among them")

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Pointer:
    """The policy that a name stands for.

    Attributes:
        name: of the pointer itself, so that one cannot pass for another.
        policy: `PolicyFolder.digest`.
        pushed_ns: rises with every push to this name.
    """

    name: str
    policy: str
    pushed_ns: int

    def __post_init__(self) -> None:
        check_name(self.name, "a policy")
        _check_sha256(self.policy)


def is_digest(text: str) -> bool:
    """Whether a text is a policy's digest, or its beginning of 12 digits or more. Names never are."""
    return _DIGEST.fullmatch(text) is not None


def check_name(text: str, what: str) -> str:
    """The name, which is safe as that of a file.

    Raises:
        ValueError: it is not.
    """
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:80]!r} cannot be the name of {what}: 1 to 80 of A-Z a-z 0-9 . _ - are allowed, a letter or digit first")
    return text


def sign(said: Manifest | Pointer, ring: KeyRing) -> bytes:
    """The file that says it, signed with the key that signs."""
    head = f"heron-delivery 1 {_kind(type(said))} {ring.signing.id}".encode()
    body = json.dumps(asdict(said), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    return b" ".join((head, ring.signing.tag((head, b"\n", body)).hex().encode())) + b"\n" + body


def judge(data: bytes, cls: type[Said], ring: KeyRing, where: str) -> Said:
    """What a signed file says.

    Args:
        data: the file.
        cls: what it must be.
        ring: the keys that count.
        where: the file's name, for the text of an error.

    Raises:
        DeliveryError: it was not signed so, or not with one of these keys.
    """
    line, newline, body = data.partition(b"\n")
    found = _HEAD.fullmatch(line)
    if not found or not newline or found[1].decode() != _kind(cls):
        raise DeliveryError(f"{where}: no signed {_kind(cls)}: cut short, or not made by ./heron model push; push the policy again")
    number = int(found[2])
    key = ring.find(number)
    if key is None:
        raise DeliveryError(
            f"{where}: signed with key {number}, this key file has {', '.join(map(str, ring.ids))}; copy the key file of the host that pushed, "
            "or push again from one with a newer key"
        )
    tag = key.tag((line[: found.start(3) - 1], b"\n", body)).hex()
    if not hmac.compare_digest(tag.encode(), found[3]):
        raise DeliveryError(
            f"{where}: forged, changed or cut short: not what a holder of key {number} signed; see who can write there, and push again"
        )
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DeliveryError(f"{where}: signed, but not readable; another version of Heron made it: push the policy again with this one") from error
    return from_mapping(cls, content if isinstance(content, Mapping) else {}, where)


def _kind(cls: type[Manifest | Pointer]) -> Kind:
    return "manifest" if cls is Manifest else "pointer"


def _check_sha256(text: str) -> None:
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{text[:80]!r}, expected 64 hexadecimal digits")
