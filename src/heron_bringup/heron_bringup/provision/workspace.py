"""The colcon workspace: built once into build/, install/ and log/."""

import shutil
import subprocess
from pathlib import Path

from heron_bringup.provision.environment import compose
from heron_bringup.provision.errors import SetupError
from heron_bringup.provision.stamp import package_folders
from heron_bringup.provision.underlay import Underlay

COLCON = "import sys; from colcon_core.command import main; sys.exit(main())"  # its script keeps a path that may be dead


def build_command(root: Path, underlay: Underlay | None) -> list[str]:
    """The colcon call: links instead of copies, two workers, without interfaces that the underlay already has."""
    python = str(root / ".venv" / "bin" / "python")
    present = [name for name in package_folders(root) if underlay and underlay.has(name)]
    return [
        # Below an error it only warns that the environment is no colcon workspace.
        *(python, "-c", COLCON, "--log-base", "log", "--log-level", "error", "build", "--base-paths", "src", "--symlink-install"),
        *("--metas", "colcon.meta", "--parallel-workers", "2"),
        *(["--packages-ignore", *present] if present else []),
        *("--cmake-args", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"),
        f"-DPython3_EXECUTABLE={python}",
    ]


def build_workspace(root: Path, underlay: Underlay | None, environ: dict[str, str], clean: bool) -> None:
    """Build the workspace in `root`; `clean` first drops what another interpreter or another place built.

    Raises:
        SetupError: colcon failed.
    """
    if clean:
        for name in ("build", "install"):
            shutil.rmtree(root / name, ignore_errors=True)
    print("heron: building the workspace (once, about two minutes)", flush=True)
    environment = compose(root, underlay, environ, overlay=False)
    code = subprocess.run(build_command(root, underlay), cwd=root, env=environment).returncode
    if code:
        raise SetupError(
            "the workspace does not build; the first error stands above, all of it in log/latest_build/.\n"
            "  cure: mend that, then repeat: ./heron setup (a clean start: rm -rf build install log)"
        )
