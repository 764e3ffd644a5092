"""Where the repository, its launch files and its configuration lie, in a clone and in an installation."""

import os
from pathlib import Path


def repository_root() -> Path | None:
    """The clone that this code runs from (HERON_ROOT, else where this file lies), or None in a plain installation."""
    named = os.environ.get("HERON_ROOT")
    for root in ([Path(named)] if named else []) + list(Path(__file__).resolve().parents):
        if (root / "src" / "heron_bringup" / "package.xml").is_file():
            return root
    return None


def share_folder() -> Path:
    """The folder that holds launch/ and config/: the clone, else share/heron_bringup of the installation.

    Raises:
        FileNotFoundError: neither is there.
    """
    root = repository_root()
    if root is not None:
        return root
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        share = Path(prefix, "share", "heron_bringup")
        if prefix and (share / "package.xml").is_file():
            return share
    raise FileNotFoundError("heron_bringup is not installed: source install/setup.bash, or run ./heron of a clone")


def launch_folder() -> Path:
    """The folder of the launch files."""
    return share_folder() / "launch"


def config_folder() -> Path:
    """The folder of vehicles, profiles and import files."""
    return share_folder() / "config"


def shipped_policy() -> Path | None:
    """The policy that comes with Heron, or None where none does."""
    folder = config_folder() / "policy" / "driveheron"
    return folder if (folder / "policy.yaml").is_file() else None
