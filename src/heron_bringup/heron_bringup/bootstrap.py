"""What `./heron` starts: sets up what changed, then becomes the command in `.venv`. Standard library only."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from heron_bringup.provision import checks
from heron_bringup.provision.environment import compose
from heron_bringup.provision.errors import SetupError
from heron_bringup.provision.lock import setup_lock
from heron_bringup.provision.model_stack import install_model, requirement_files, wants_model
from heron_bringup.provision.stamp import model_digest, read_stamp, venv_digest, workspace_digest, write_stamp
from heron_bringup.provision.underlay import Underlay, find_underlay
from heron_bringup.provision.venv import UNFINISHED, make_venv
from heron_bringup.provision.workspace import build_workspace
from heron_bringup.verbs import verb_modules

EXIT_WRONG_USE = 2


def repository_root() -> Path:
    """The clone that this file lies in: <root>/src/heron_bringup/heron_bringup/bootstrap.py."""
    return Path(__file__).resolve().parents[3]


def base_python() -> str:
    """The interpreter outside any virtual environment, links resolved."""
    return os.path.realpath(getattr(sys, "_base_executable", sys.executable))


class Setup:
    """The state of one clone's set-up: which digests are wanted, which are there."""

    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self.root = root
        self.environ = environ
        self.underlay: Underlay | None = find_underlay(environ, root)
        version = ".".join(map(str, sys.version_info[:3]))
        self.venv_wanted = venv_digest(root, f"{base_python()} {version}", self.underlay)
        self.workspace_wanted = workspace_digest(root, self.venv_wanted)
        self.model_wanted = model_digest(root, self.venv_wanted, requirement_files(root))

    @property
    def venv_stamp(self) -> Path:
        """Lies in `.venv`: whoever deletes that deletes the stamp."""
        return self.root / ".venv" / "heron-stamp.json"

    @property
    def workspace_stamp(self) -> Path:
        """Lies in `build`, without which the links of `install` lead nowhere."""
        return self.root / "build" / "heron-stamp.json"

    @property
    def model_stamp(self) -> Path:
        """Lies in `.venv`, like what it stands for."""
        return self.root / ".venv" / "heron-model-stamp.json"

    def venv_ready(self) -> bool:
        """Whether `.venv` holds what the requirements name."""
        unfinished = (self.root / ".venv" / UNFINISHED).exists()
        return not unfinished and read_stamp(self.venv_stamp) == self.venv_wanted

    def workspace_ready(self) -> bool:
        """Whether `install` was built from the present packages."""
        return read_stamp(self.workspace_stamp) == self.workspace_wanted and (self.root / "install").is_dir()

    def model_ready(self) -> bool:
        """Whether `.venv` holds the model's packages as well."""
        return read_stamp(self.model_stamp) == self.model_wanted

    def complete(self, model: bool = False) -> None:
        """Do what is missing; safe to stop and to repeat.

        Args:
            model: with the packages of the model.

        Raises:
            SetupError: something is missing on the machine, or a step failed.
        """
        if self.venv_ready() and self.workspace_ready() and (self.model_ready() or not model):
            return
        checks.check_writable(self.root)
        with setup_lock(self.root / ".heron-setup.lock"):
            if not self.venv_ready():  # asked again: the process that held the lock may have done it
                checks.check_machine(self.root, checks.VENV_BYTES)
                self.venv_stamp.unlink(missing_ok=True)
                make_venv(self.root, self.underlay, base_python())
                write_stamp(self.venv_stamp, self.venv_wanted)
                self.workspace_stamp.unlink(missing_ok=True)
            if not self.workspace_ready():
                checks.check_machine(self.root, checks.WORKSPACE_BYTES)
                clean = not self.workspace_stamp.exists()
                self.workspace_stamp.unlink(missing_ok=True)
                build_workspace(self.root, self.underlay, self.environ, clean)
                write_stamp(self.workspace_stamp, self.workspace_wanted)
                print("heron: ready", flush=True)
            if model and not self.model_ready():
                self.model_stamp.unlink(missing_ok=True)
                install_model(self.root)
                write_stamp(self.model_stamp, self.model_wanted)


def describe(root: Path) -> str:
    """The help of a clone that is not set up yet: the verbs with the first line of their modules."""
    lines = ["Usage: ./heron VERB [OPTIONS]", "", "The first start sets up this clone: 2 GB in .venv, build and install.", ""]
    for path in verb_modules(root / "src/heron_bringup/heron_bringup/verbs"):
        summary = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
        lines.append(f"  {path.stem:10}{summary}")
    return "\n".join([*lines, "", "Examples:", "  ./heron setup", "  ./heron test", "  ./heron VERB --help"])


def main(arguments: list[str]) -> int:
    """Set up and start the command; returns only when that fails, with exit code 2."""
    root = repository_root()
    setup = Setup(root, dict(os.environ))
    if arguments[:1] in ([], ["--help"], ["-h"]) and not setup.venv_ready():
        print(describe(root))
        return 0
    try:
        setup.complete(model=wants_model(root, arguments, Path.cwd()))
    except SetupError as error:
        print(f"heron: {error}", file=sys.stderr)
        return EXIT_WRONG_USE
    except KeyboardInterrupt:
        print("\nheron: set-up stopped; repeat the command to go on with it", file=sys.stderr)
        return EXIT_WRONG_USE
    except OSError as error:  # the disk may fill up at any step
        print(f"heron: set-up failed: {error}\n  cure: mend that, then repeat: ./heron setup", file=sys.stderr)
        return EXIT_WRONG_USE
    except subprocess.CalledProcessError as error:
        print(f"heron: set-up failed: {error}\n{error.stderr}", file=sys.stderr)
        return EXIT_WRONG_USE
    python = str(root / ".venv" / "bin" / "python")
    command = [python, "-m", "heron_bringup.cli", *arguments]
    os.execve(python, command, compose(root, setup.underlay, setup.environ))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
