"""The environment in which every verb runs: prefixes, Python path, libraries, transport and allocator defaults."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from heron_bringup.provision.stamp import package_folders
from heron_bringup.provision.underlay import Underlay

DEFAULTS = {
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",  # nothing leaves the machine unless asked to
    "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
    # Without these glibc maps and unmaps every image; they cut an image's cost in rclpy to a third.
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    # Our matrices are small: BLAS threads would only take the cores from images and inference.
    "OPENBLAS_NUM_THREADS": "1",
}
"""Set where the caller has not set them."""


def compose(root: Path, underlay: Underlay | None, environ: Mapping[str, str], *, overlay: bool = True) -> dict[str, str]:
    """The variables for a process of this workspace, from the caller's `environ`.

    Args:
        root: the repository.
        underlay: the sourced ROS 2, or None for the wheels in `.venv`.
        environ: the caller's variables; its entries in path variables come after ours.
        overlay: with the built packages of `install/`; without them it is the environment to build in.
    """
    venv = root / ".venv"
    site = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    result = {**DEFAULTS, **environ}
    result.update(VIRTUAL_ENV=str(venv), HERON_ROOT=str(root))
    result.setdefault("NUMBA_CACHE_DIR", str(compiled_folder(root)))
    home = result.setdefault("HOME", _home())
    if not os.access(home, os.W_OK):  # ROS 2 refuses to start without a place for its logs
        result.setdefault("ROS_LOG_DIR", str(Path(tempfile.gettempdir(), f"heron_ros_log_{os.getuid()}")))
    # The `heron` script put our sources on the path to start the set-up; the workspace has its own entry for them.
    _drop(result, "PYTHONPATH", str(root / "src" / "heron_bringup"))
    result.pop("PYTHONDONTWRITEBYTECODE", None)
    _prepend(result, "PATH", [venv / "bin"])
    if underlay is None:
        result["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"  # else a .pth of the wheels starts every Python twice
        _prepend(result, "AMENT_PREFIX_PATH", [venv])
        _prepend(result, "CMAKE_PREFIX_PATH", [venv])
        _prepend(result, "LD_LIBRARY_PATH", [venv / "lib", *sorted((venv / site).glob("ros_*.libs"))])
    else:
        # A sourced ROS 2 puts its Python folders before ours; numpy and the rest must be the locked ones.
        _prepend(result, "PYTHONPATH", [venv / site])
    if overlay:
        prefixes = [root / "install" / name for name in package_folders(root)]
        prefixes = [p for p in prefixes if p.is_dir()]
        _prepend(result, "AMENT_PREFIX_PATH", prefixes)
        _prepend(result, "CMAKE_PREFIX_PATH", prefixes)
        _prepend(result, "LD_LIBRARY_PATH", [p / "lib" for p in prefixes if any(p.glob("lib/*.so"))])
        _prepend(result, "PYTHONPATH", [_python_folder(root, p, site) for p in prefixes])
    return result


def compiled_folder(root: Path) -> Path:
    """Where machine code of the simulated world is kept.

    numba looks at the file of a function only, not at those that it calls, so another state of the sources has another folder.
    """
    digest = hashlib.sha256()
    for path in sorted(root.glob("src/heron_sim/heron_sim/*/*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return root / ".heron" / "numba" / digest.hexdigest()[:12]


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # a user without an entry in /etc/passwd, as in many images
        return tempfile.gettempdir()


def _python_folder(root: Path, prefix: Path, site: Path) -> Path:
    """Where the modules of an installed package lie: a linked package is imported from its build folder."""
    built = root / "build" / prefix.name
    if (built / "share" / prefix.name / "hook" / "pythonpath_develop.dsv").exists():
        return built
    for folder in (prefix / site, prefix / "local" / str(site).replace("site-", "dist-")):
        if folder.is_dir():
            return folder
    return prefix / site


def _prepend(variables: dict[str, str], name: str, folders: list[Path]) -> None:
    ours = [str(folder) for folder in folders]
    old = [entry for entry in variables.get(name, "").split(os.pathsep) if entry and entry not in ours]
    if ours or old:
        variables[name] = os.pathsep.join(ours + old)


def _drop(variables: dict[str, str], name: str, folder: str) -> None:
    kept = [entry for entry in variables.get(name, "").split(os.pathsep) if entry and entry != folder]
    variables.pop(name, None)
    if kept:
        variables[name] = os.pathsep.join(kept)
