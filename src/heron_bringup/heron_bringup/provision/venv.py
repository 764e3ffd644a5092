"""`.venv`: made, filled from the locked requirements, and its CMake files mended."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from heron_bringup.provision.errors import SetupError
from heron_bringup.provision.stamp import requirement_files
from heron_bringup.provision.underlay import Underlay

UNFINISHED = "heron-unfinished"
"""Marker inside `.venv` while it is being filled: an environment that a stop left half installed is made anew."""

NUMPY_HEADERS = re.compile(r'/opt/(?:python|_internal)/[^;"\s)]*/numpy/_?core/include')
PYTHON_HEADERS = re.compile(r'/opt/(?:python|_internal)/[^;"\s)]*/include/python3\.\d+')

PACKAGES_PER_LINE = 50
"""Of pip's progress where the output is not a terminal."""

SHOWN_LINES = 20
"""Of pip's output when it failed."""

NETWORK_SIGNS = ("NewConnectionError", "ConnectTimeout", "ReadTimeout", "ConnectionResetError", "ProxyError",
                 "Name or service not known", "name resolution", "SSLError", "Max retries exceeded")  # fmt: skip


def make_venv(root: Path, underlay: Underlay | None, base_python: str) -> None:
    """Make or complete `.venv` in `root`.

    Raises:
        SetupError: pip failed; says whether network, disk or a hash is the cause.
    """
    venv = root / ".venv"
    marker = venv / UNFINISHED
    if marker.exists() or not (venv / "bin" / "python").exists():
        print(f"heron: making .venv with {base_python}", flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        flags = ["--system-site-packages"] if underlay else []
        _run([base_python, "-m", "venv", *flags, str(venv)], "making .venv")
    marker.touch()
    install(venv, requirement_files(root, underlay))
    if underlay is None:
        mend_cmake(venv)
    marker.unlink()


def install(venv: Path, requirements: list[Path]) -> None:
    """Install the hash-locked `requirements`; pip's cache makes a repeat go on where a stop left off."""
    print("heron: installing the locked requirements (about 2 GB, once)", flush=True)
    # The lock names all that is needed. Without --no-deps pip 23.0 wants the newest of what something names with an extra, which has no hash here.
    arguments = ["install", "--require-hashes", "--no-deps"]
    for path in requirements:
        arguments += ["-r", str(path)]
    run_pip(venv, arguments)
    compile_packages(venv)


def compile_packages(venv: Path) -> None:
    """Bytecode of every package that lacks it, on all cores, where pip would take one; files that are no Python of this version stay as they are."""
    packages = [str(path) for path in venv.glob("lib/python3.*/site-packages")]
    subprocess.run([str(venv / "bin" / "python"), "-m", "compileall", "-qq", "-j", "0", *packages], env=pip_environment(), check=False)


def pip_command(venv: Path) -> list[str]:
    """How pip of `venv` is called."""
    return [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]


def pip_environment() -> dict[str, str]:
    """The caller's variables without what would lead pip to other packages."""
    environment = {**os.environ, "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"}
    environment.pop("PYTHONPATH", None)
    return environment


def run_pip(venv: Path, arguments: list[str], again: str = "./heron setup") -> None:
    """Run pip with its progress shown.

    Raises:
        SetupError: it failed; the text says why and to repeat `again`.
    """
    command = [*pip_command(venv), *arguments, "--progress-bar", "off", "--no-compile"]
    with subprocess.Popen(command, env=pip_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        output = _follow(process.stdout)
    if process.returncode:
        sys.stderr.writelines(output[-SHOWN_LINES:])
        raise SetupError(explain_pip("".join(output), process.returncode, again))


def _follow(lines: Iterable[str]) -> list[str]:
    """What pip writes, of which only the progress is shown: on a terminal in one line, else a line now and then."""
    output, found, live = [], 0, sys.stdout.isatty()
    for line in lines:
        output.append(line)
        if line.startswith("Collecting "):
            found += 1
            if live:
                print(f"\r\033[K  {found} packages found, now {line.split()[1]}", end="", flush=True)
            elif found % PACKAGES_PER_LINE == 0:
                print(f"  {found} packages found", flush=True)
        elif line.startswith("Installing collected packages"):
            print(f"{chr(13) + chr(27) + '[K' if live else ''}  unpacking {line.count(',') + 1} packages (a minute or two)", flush=True)
    return output


def explain_pip(errors: str, code: int, again: str = "./heron setup") -> str:
    """One sentence and a cure for what pip wrote to stderr."""
    if "No space left on device" in errors:
        return f"the disk is full.\n  cure: free some space (pip cache purge), then repeat: {again}"
    if "DO NOT MATCH THE HASHES" in errors:
        return f"a downloaded file is not the one that the lock (requirements*.txt) names.\n  cure: pip cache purge, then {again}"
    if any(sign in errors for sign in NETWORK_SIGNS):
        return (
            "the Python package index cannot be reached.\n"
            f"  cure: check the network (and PIP_INDEX_URL, HTTPS_PROXY if you use them), then repeat: {again}\n"
            "  What was downloaded is kept."
        )
    return f"pip ended with exit code {code}; its message stands above.\n  cure: mend that, then repeat: {again}"


def mend_cmake(venv: Path) -> None:
    """Point the wheels' CMake files at this machine's headers; they hold the paths of the machine that built them."""
    query = "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())"
    found = subprocess.run([str(venv / "bin" / "python"), "-c", query], env=pip_environment(), capture_output=True, text=True, check=True)
    python_include, numpy_include = found.stdout.split("\n")[:2]
    for path in (venv / "share").rglob("*.cmake"):
        old = path.read_text()
        new = PYTHON_HEADERS.sub(lambda _: python_include, NUMPY_HEADERS.sub(lambda _: numpy_include, old))
        if new != old:
            path.write_text(new)


def _run(command: list[str], doing: str) -> None:
    code = subprocess.run(command).returncode
    if code:
        raise SetupError(f"{doing} ended with exit code {code}; the message stands above.\n  cure: mend that, then repeat: ./heron setup")
