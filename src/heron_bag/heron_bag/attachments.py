"""What a recording carries along, so that it can be understood years later: the car's files, the policy, and where all came from."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from heron_bag.errors import BagError

PROVENANCE = "provenance.json"
VEHICLE = "vehicle"
POLICY = "policy"


def vehicle_files(folder: Path) -> dict[str, bytes]:
    """`vehicle/<file>` → bytes of each file of a car's configuration (rig, vehicle, CAN, DBC, limits).

    Raises:
        BagError: not a folder, or an empty one.
    """
    if not folder.is_dir():
        raise BagError(f"{folder}: no such folder of a car's configuration (e.g. config/vehicle/demo)")
    files = {f"{VEHICLE}/{file.name}": file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file() and not file.name.startswith(".")}
    if not files:
        raise BagError(f"{folder}: is empty, expected a car's configuration")
    return files


def policy_files(folder: Path) -> dict[str, bytes]:
    """`policy/policy.yaml`, and `policy/digests.json` with the SHA-256 of every file: graphs are too large to carry.

    Raises:
        BagError: the folder holds no policy.yaml.
    """
    contract = folder / "policy.yaml"
    if not contract.is_file():
        raise BagError(f"{folder}: holds no policy.yaml, so it is not a policy folder")
    digests = {str(file.relative_to(folder)): file_digest(file) for file in sorted(folder.rglob("*")) if file.is_file()}
    return {f"{POLICY}/policy.yaml": contract.read_bytes(), f"{POLICY}/digests.json": _json({"name": folder.name, "sha256": digests})}


def provenance(made_by: str, notes: Iterable[str], files: Mapping[str, Path], **more: Any) -> bytes:
    """The text of `provenance.json`: who made the recording with which code, from which files, and what a reader has to know."""
    sources = [{"name": name, "bytes": path.stat().st_size, "sha256": file_digest(path)} for name, path in sorted(files.items())]
    return _json({"made_by": made_by, "code": code_version(), "notes": list(notes), "files": sources, **more})


def notes_of(attachments: Mapping[str, bytes]) -> list[str]:
    """The notes in a recording's provenance; empty where it has none."""
    if PROVENANCE not in attachments:
        return []
    try:
        return [str(note) for note in json.loads(attachments[PROVENANCE])["notes"]]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{PROVENANCE} cannot be read: {error!r}"]


def code_version() -> str:
    """`git describe` of the clone this runs from, or the version of the installed package."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        return f"git {found.stdout.strip()}"
    except (OSError, subprocess.SubprocessError):
        from importlib.metadata import PackageNotFoundError, version

        try:
            return f"heron_bag {version('heron_bag')}"
        except PackageNotFoundError:
            return "unknown"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()
