"""Digests of what the set-up depends on, and the stamp that says which of them is already built."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from heron_bringup.provision.underlay import Underlay

PACKAGE_FILES = ("package.xml", "setup.py", "setup.cfg", "CMakeLists.txt")
INTERFACE_FOLDERS = ("msg", "srv", "action", "resource")


def requirement_files(root: Path, underlay: Underlay | None) -> list[Path]:
    """The locked requirements to install: without the ROS wheels where ROS 2 is sourced."""
    ours = [root / "requirements.txt"]
    return ours if underlay else [*ours, root / "requirements-ros.txt"]


def package_folders(root: Path) -> dict[str, Path]:
    """Workspace packages: name -> folder. A package's folder has its name; interfaces lie one level deeper."""
    found = sorted([*root.glob("src/*/package.xml"), *root.glob("src/interfaces/*/package.xml")])
    return {manifest.parent.name: manifest.parent for manifest in found}


def venv_digest(root: Path, python: str, underlay: Underlay | None) -> str:
    """Digest of what `.venv` is made from; `python` is the base interpreter with its version."""
    digest = hashlib.sha256(f"{root}\n{python}\n{underlay}\n".encode())
    _add(digest_of=digest, root=root, files=requirement_files(root, underlay))
    return digest.hexdigest()


def model_digest(root: Path, venv: str, files: Iterable[Path]) -> str:
    """Digest of the model's packages in `.venv`, whose own digest is `venv`; `files` name them."""
    digest = hashlib.sha256(venv.encode())
    _add(digest_of=digest, root=root, files=files)
    return digest.hexdigest()


def workspace_digest(root: Path, venv: str) -> str:
    """Digest of what the workspace is built from: package metadata, interfaces, and the digest of `.venv`.

    Python modules, launch files and configuration are linked, not copied, so only their coming and going counts.
    """
    digest = hashlib.sha256(venv.encode())
    files: list[Path] = [root / "colcon.meta"]
    for folder in package_folders(root).values():
        files += [folder / name for name in PACKAGE_FILES]
        for name in INTERFACE_FOLDERS:
            files += sorted((folder / name).rglob("*"))
    _add(digest_of=digest, root=root, files=files)
    for name in ("launch", "config"):
        digest.update("\n".join(str(p.relative_to(root)) for p in sorted((root / name).rglob("*"))).encode())
    return digest.hexdigest()


def _add(digest_of: "hashlib._Hash", root: Path, files: Iterable[Path]) -> None:
    for path in files:
        if path.is_file():
            digest_of.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())


def read_stamp(path: Path) -> str:
    """The digest written in the stamp `path`, or '' where there is none that can be read."""
    try:
        return str(json.loads(path.read_text())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # half written or absent: the work is simply done again


def write_stamp(path: Path, digest: str) -> None:
    """Write the stamp in one step, so that a stop leaves the old one or the new one."""
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps({"digest": digest}) + "\n")
    scratch.replace(path)
