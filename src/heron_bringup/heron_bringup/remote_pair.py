"""A server on one host and a vehicle that asks it from another, for measuring: what `bench remote` and `remote matrix` run in network namespaces."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from heron_bringup.remote_probe import DOMAIN, Asking
from heron_bringup.two_hosts import Host
from heron_core.errors import HeronError
from heron_remote.keys import write_new_key

BEFORE_MS = 32.0
"""From exposure to the preprocessed frame set, by config/budget.yaml: what a plan's age is before anybody is asked."""
START_S, STOP_S = 60.0, 20.0


class PairError(HeronError):
    """One of the two sides failed."""

    is_failure = True


def key_file(folder: Path) -> Path:
    """The keys of both sides; made when there are none."""
    path = folder / "remote.keys"
    if not path.exists():
        write_new_key(path)
    return path


def link_file(folder: Path, name: str = "link", vehicle: Mapping[str, Any] | None = None) -> Path:
    """Writes the link's parameters, for both sides.

    Args:
        folder: has the keys.
        name: of the file.
        vehicle: more of `remote` for the vehicle.
    """
    both = {"keys": str(key_file(folder)), "domain": DOMAIN}
    path = folder / f"{name}.yaml"
    parameters = {"/policy": {**both, "connect_s": START_S, **(vehicle or {})}, "/policy_server": both}
    path.write_text(yaml.safe_dump({node: {"ros__parameters": {"remote": remote}} for node, remote in parameters.items()}), encoding="utf-8")
    return path


@contextmanager
def serving(host: Host, policy: Path, folder: Path, *options: str) -> Iterator[Path]:
    """`./heron remote serve` on a host, with the keys of the folder, where `server.txt`, its log, and `server`, its output, are written too.

    Yields:
        The log.

    Raises:
        PairError: it did not start.
    """
    words = ["remote", "serve", "--policy", str(policy), "--link", str(link_file(folder)), "--out", str(folder / "server"), *options]
    log = folder / "server.txt"
    with log.open("w") as file:
        command = [*host.through, sys.executable, "-m", "heron_bringup.cli", *words]
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_S
        while "components are up" not in log.read_text():
            if server.poll() is not None or time.monotonic() > deadline:
                raise PairError(f"the server did not start: {log.read_text()[-500:]}")
            time.sleep(0.1)
        yield log
    finally:
        server.terminate()
        server.wait(STOP_S)


def probed(vehicle: Host, asking: Asking) -> dict[str, Any]:
    """What the vehicle's side found: see `remote_probe.probe`.

    Raises:
        PairError: it failed.
    """
    done = subprocess.run([*vehicle.through, *asking.words], capture_output=True, text=True, timeout=asking.seconds + 120)
    if done.returncode:
        raise PairError(f"the vehicle's side failed: {done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
