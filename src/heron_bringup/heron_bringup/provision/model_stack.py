"""PyTorch and its company in `.venv`: for `./heron model` and the tests, never for driving."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from heron_bringup.provision import checks
from heron_bringup.provision.errors import SetupError
from heron_bringup.provision.venv import compile_packages, explain_pip, pip_command, pip_environment, run_pip

FIRST_PYTHON = (3, 11)
"""Of transformers."""

CPU_BYTES = 2_000_000_000
"""Free disk for the CPU build of PyTorch and the rest (1 GB installed, with pip's cache)."""

CUDA_BYTES = 12_000_000_000
"""The same for the CUDA build: 3 GB of wheels in pip's cache, unpacked."""

AGAIN = "the same command"

DELIVERY = {"list", "pull", "push"}
"""Commands of `model` that carry policies about, for which no PyTorch is needed; a car has none."""


def wants_model(root: Path, arguments: Sequence[str], folder: Path) -> bool:
    """Whether a command line needs the model's packages: `model COMMAND` but for delivery, and `test` but for the tests of other packages.

    Tests go without them on a Python that cannot have them; `heron_bringup.verbs.test` says so.

    Args:
        root: the repository.
        arguments: after `./heron`.
        folder: where the command was given.
    """
    verb, *rest = arguments or [""]
    if {"--help", "-h"} & set(rest):
        return False
    if verb == "test":
        if not supported(sys.version_info[:2]):
            return False
        named = [path for path in ((folder / word.split("::")[0]).resolve() for word in rest if not word.startswith("-")) if path.exists()]
        return not named or any(_may_need(root, path) for path in named)
    commands = [word for word in rest if not word.startswith("-")]
    return verb == "model" and bool(commands) and commands[0] not in DELIVERY


def _may_need(root: Path, tests: Path) -> bool:
    package = tests.relative_to(root / "src").parts[:1] if tests.is_relative_to(root / "src") else ()
    return package in ((), ("heron_model",))


def supported(version: tuple[int, int]) -> bool:
    """Whether this Python (major, minor) can have them."""
    return version >= FIRST_PYTHON


def requirement_files(root: Path) -> list[Path]:
    """What the installation depends on: the exact PyTorch, and the lock of everything else."""
    return [root / "requirements-model.in", root / "requirements-model.txt"]


def torch_requirement(root: Path) -> str:
    """The line `torch==X` of requirements-model.in, the only place that names the version."""
    lines = (root / "requirements-model.in").read_text(encoding="utf-8").splitlines()
    return next(line.split("#")[0].strip() for line in lines if line.startswith("torch=="))


def install_model(root: Path) -> None:
    """Install or complete the model's packages in `.venv`; a repeat goes on where a stop left off.

    Raises:
        SetupError: this Python cannot have them, the disk is too full, or pip failed.
    """
    venv = root / ".venv"
    if not supported(sys.version_info[:2]):
        raise SetupError(
            f"training needs Python 3.11 or 3.12 (transformers has no wheel for {sys.version_info[0]}.{sys.version_info[1]}).\n"
            "  cure: sudo apt-get install python3.12 python3.12-venv python3.12-dev; rm -rf .venv; then repeat the command"
        )
    torch = torch_requirement(root)
    drop_torn(venv)
    build = _present(venv, torch) or _offered(venv, torch)
    light = build.endswith("+cpu") or bool(_present(venv, torch))
    size = "1 GB on disk" if light else "about 3 GB to download; README.md says how to get the far smaller CPU build"
    print(f"heron: installing what training and its tests need, once: PyTorch {build} and Hugging Face libraries ({size})", flush=True)
    checks.check_disk(root, CPU_BYTES if light else CUDA_BYTES)
    # The lock names everything that these need, so --no-deps leaves only torch to come by its version alone.
    run_pip(venv, ["install", "--require-hashes", "--no-deps", "-r", str(root / "requirements-model.txt")], AGAIN)
    run_pip(venv, ["install", torch], AGAIN)
    compile_packages(venv)


def drop_torn(venv: Path) -> None:
    """Forget packages that a kill left half unpacked, else pip takes them for installed: it writes INSTALLER when all else is there."""
    for record in venv.glob("lib/python3.*/site-packages/*.dist-info"):
        if not (record / "INSTALLER").exists():
            shutil.rmtree(record)


def _present(venv: Path, requirement: str) -> str:
    """The version with its build that is installed already; empty where none is."""
    name, _, version = requirement.partition("==")
    found = [path.name.removesuffix(".dist-info") for path in venv.glob(f"lib/python3.*/site-packages/{name}-{version}*.dist-info")]
    return found[0].removeprefix(f"{name}-") if found else ""


def _offered(venv: Path, requirement: str) -> str:
    """The version that pip would take, with its build: 2.13.0+cpu, or 2.13.0 with CUDA.

    The index is asked, because older pips download everything in a dry run.
    """
    name, _, version = requirement.partition("==")
    ended = subprocess.run([*pip_command(venv), "index", "versions", name], env=pip_environment(), capture_output=True, text=True)
    listed = re.search(r"^Available versions: (.*)$", ended.stdout, re.MULTILINE)
    offered = [each for each in (listed[1].split(", ") if listed else ()) if each.split("+")[0] == version]
    if not offered:
        sys.stderr.write(ended.stderr)
        problem = explain_pip(ended.stderr, ended.returncode, AGAIN)
        raise SetupError(
            problem if ended.returncode else f"pip is offered no {requirement}.\n  cure: see ./heron test in README.md, then repeat {AGAIN}"
        )
    return offered[0]  # newest first, and a build counts as newer than none
