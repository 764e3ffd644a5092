"""Check the code: ruff, mypy --strict, then every test."""

import importlib.util
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from heron_bringup.paths import repository_root
from heron_core.errors import InputError

app = typer.Typer(add_completion=False)

DOMAIN_IDS = range(1, 100)
"""ROS domains of the tests: above 101 the ports of Fast DDS meet the kernel's ephemeral ones."""

ALL_WORKERS = 2
"""Processes that run the whole suite. A worker takes 2 GB where PyTorch is there; tests marked `alone` wait for the others."""


def python_packages(root: Path) -> list[Path]:
    """The folders of the Python packages, for mypy."""
    return sorted(path.parent for path in root.glob("src/heron_*/heron_*/py.typed"))


def lint_commands(root: Path) -> dict[str, list[str]]:
    """Name -> command of each check that runs before the tests."""
    python = sys.executable
    return {
        "ruff check": [python, "-m", "ruff", "check", "--output-format", "concise", "."],
        "ruff format": [python, "-m", "ruff", "format", "--check", "--output-format", "concise", "."],
        # strict stands in pyproject.toml with its one exception; on the command line it would undo that
        "mypy": [python, "-m", "mypy", *(str(path) for path in python_packages(root))],
    }


def trains() -> bool:
    """Whether PyTorch is there; `./heron` installs it before it comes here, but Python 3.10 cannot have the libraries around it."""
    return importlib.util.find_spec("torch") is not None


def pytest_command(root: Path, paths: list[str], keyword: str | None, slow: bool, workers: int) -> list[str]:
    """The pytest call: all tests of the packages and of test/, without the slow ones unless asked; a file's tests stay in one worker."""
    folders = sorted([*root.glob("src/heron_*/test"), *root.glob("test")])
    where = paths or [str(path) for path in folders if trains() or path.parent.name != "heron_model"]
    command = [sys.executable, "-m", "pytest", *where]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]
    if keyword:
        command += ["-k", keyword]
    return command if slow else [*command, "-m", "not slow"]


def test_environment(root: Path, domain: int) -> dict[str, str]:
    """The tests' environment: a DDS domain of their own, and mypy sees every package's sources."""
    sources = os.pathsep.join(str(path.parent) for path in python_packages(root))
    return {**os.environ, "ROS_DOMAIN_ID": str(domain), "MYPYPATH": sources, "PYTHONDONTWRITEBYTECODE": "1"}


@app.command(epilog="Examples: ./heron test | ./heron test --slow | ./heron test -k bootstrap src/heron_bringup/test")
def test(
    paths: Annotated[list[str] | None, typer.Argument(help="Test files or folders; default: all.")] = None,
    keyword: Annotated[str | None, typer.Option("-k", help="Only tests whose names match.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="With the tests marked slow (several minutes).")] = False,
    workers: Annotated[
        int | None, typer.Option("-n", min=1, help="Tests at once; default: 2 for all of them, 1 for those that are named.", show_default=False)
    ] = None,
    lint: Annotated[bool, typer.Option(help="Check style and types first.")] = True,
) -> None:
    """Check style and types, then run the tests; fails if any of them does."""
    root = repository_root()
    if root is None:
        raise InputError("the tests lie in a clone of Heron: run ./heron test there")
    environment = test_environment(root, random.choice(DOMAIN_IDS))
    failed = []
    for name, command in (lint_commands(root) if lint else {}).items():
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=root, env=environment).returncode:
            failed.append(name)
    if failed:
        print(f"FAILED before the tests: {', '.join(failed)}", flush=True)
    if not (paths or trains()):
        print("left out: the tests of heron_model, whose libraries need Python 3.11 or 3.12", flush=True)
    print("== pytest", flush=True)
    here = [str((Path.cwd() / p).resolve()) if (Path.cwd() / re.split("::", p)[0]).exists() else p for p in paths or []]
    code = subprocess.run(pytest_command(root, here, keyword, slow, workers or (1 if here else ALL_WORKERS)), cwd=root, env=environment).returncode
    if code or failed:
        raise typer.Exit(1)
