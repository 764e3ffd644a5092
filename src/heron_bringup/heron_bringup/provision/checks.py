"""What the machine must offer before the set-up starts; each miss is an error with its cure."""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from heron_bringup.provision.errors import SetupError

SUPPORTED_PYTHON = ((3, 10), (3, 12))
"""First and last CPython (major, minor) for which numpy 1.26 and the ROS 2 wheels exist."""

VENV_BYTES = 3_500_000_000
"""Free disk for `.venv` (1.9 GB installed, 0.7 GB in pip's cache) with room to build."""

WORKSPACE_BYTES = 300_000_000
"""Free disk for building the workspace."""


def check_python(version: tuple[int, int]) -> None:
    """Refuse an interpreter outside `SUPPORTED_PYTHON`."""
    first, last = SUPPORTED_PYTHON
    if not first <= version <= last:
        raise SetupError(
            f"Python {version[0]}.{version[1]} has no wheels of ROS 2 Jazzy and numpy 1.26; 3.10, 3.11 and 3.12 have.\n"
            "  cure: sudo apt-get install python3.12 python3.12-venv python3.12-dev"
        )


def check_headers(include: Path) -> None:
    """Require Python.h in `include`: message packages compile Python extensions."""
    if not (include / "Python.h").is_file():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(f"the headers of Python {version} are missing ({include / 'Python.h'}).\n  cure: sudo apt-get install python{version}-dev")


def check_venv_module() -> None:
    """Require `venv` with pip; Debian and Ubuntu package them apart."""
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(f"this Python {version} cannot make virtual environments.\n  cure: sudo apt-get install python{version}-venv")


def check_compilers(path: str) -> None:
    """Require a C and a C++ compiler on the search path `path`."""
    for language, variable, names in (("C", "CC", ("cc", "gcc", "clang")), ("C++", "CXX", ("c++", "g++", "clang++"))):
        chosen = os.environ.get(variable)
        candidates = (chosen.split()[0],) if chosen else names
        if not any(shutil.which(name, path=path) for name in candidates):
            raise SetupError(f"no {language} compiler found (looked for {', '.join(candidates)}).\n  cure: sudo apt-get install build-essential")


def check_disk(folder: Path, needed: int) -> None:
    """Require `needed` free bytes where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SetupError(
            f"{free / 1e9:.1f} GB free in {folder}, {needed / 1e9:.1f} GB needed.\n"
            "  cure: free some space (sudo apt-get clean; pip cache purge), or clone Heron onto a larger disk"
        )


def check_writable(folder: Path) -> None:
    """Require write permission in `folder`."""
    if not os.access(folder, os.W_OK):
        raise SetupError(f"no write permission in {folder}.\n  cure: sudo chown -R $(id -un) '{folder}'")


def check_machine(root: Path, needed: int) -> None:
    """Run every check for a set-up in `root` that takes `needed` bytes.

    Raises:
        SetupError: for the first thing that is missing, with its cure.
    """
    check_python(sys.version_info[:2])
    check_writable(root)
    check_disk(root, needed)
    check_compilers(os.environ.get("PATH", os.defpath))
    check_headers(Path(sysconfig.get_path("include")))
    check_venv_module()
