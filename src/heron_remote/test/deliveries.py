"""Small policies, a key ring, and a look at folders byte by byte."""

from __future__ import annotations

from pathlib import Path

import yaml
from two_ends import ring

from heron_remote.delivery import find, push
from heron_remote.keys import KeyRing
from heron_remote.manifest import Pointer
from heron_remote.pull import pull
from heron_remote.store import Store
from heron_vla.folder import load_policy
from heron_vla.kinematic import write_kinematic

RING = ring(1)


def make_policy(path: Path, title: str, cameras: tuple[str, ...] = ("CAM_FRONT",)) -> Path:
    """A policy whose digest is that of its title, with a card beside."""
    write_kinematic(path, list(cameras))
    content = yaml.safe_load((path / "policy.yaml").read_text())
    (path / "policy.yaml").write_text(yaml.safe_dump({**content, "name": title}))
    (path / "README.md").write_text(f"# {title}\n" + "What it is good for.\n" * 200)
    return path


def digest(path: Path) -> str:
    return load_policy(path).digest


def content(path: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def deliver(policy: Path, store: Store, name: str = "fleet", keys: KeyRing = RING, now_ns: int = 1) -> Pointer:
    return push(policy, store, keys, name, now_ns)


def fetch(store: Store, out: Path, wanted: str = "fleet", keys: KeyRing = RING) -> bool:
    return pull(find(wanted, store, keys).manifest, store, out)
