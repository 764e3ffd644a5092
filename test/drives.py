"""Runs of the `heron` command and of its graph, and what they leave behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from heron_bag.reader import open_bag
from heron_bringup.drive.budget import load_budget
from heron_bringup.drive.lockstep_run import run_lockstep
from heron_bringup.drive.outcome import cache_folder
from heron_bringup.drive.report import join_reports
from heron_runtime.launch_reader import parse
from heron_runtime.shm import mapped, sweep
from heron_vla.kinematic import ensure_kinematic

ROOT = Path(__file__).resolve().parents[1]
MARK = "HERON_TEST_RUN"
"""Environment variable that tells the processes of one run from all others."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; `text` is what it said on both streams."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def environment(**extra: str) -> dict[str, str]:
    """A DDS domain that no other test uses now, local only; `extra` on top."""
    domain = str(random.SystemRandom().randrange(1, 101))
    return {**os.environ, "HERON_ROOT": str(ROOT), "ROS_DOMAIN_ID": domain, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "COLUMNS": "200", **extra}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "heron_bringup.cli", *map(str, arguments)]


def heron(*arguments: object, timeout_s: float = 100.0, through: Sequence[str] = (), **extra: str) -> Ended:
    """Runs a verb in a process of its own to its end; `through`: a command that runs it, elsewhere."""
    ended = subprocess.run([*through, *command(*arguments)], env=environment(**extra), cwd=ROOT, capture_output=True, text=True, timeout=timeout_s)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


class Running:
    """A verb that runs in a process group of its own, as under a terminal; `through`: a command that runs it, elsewhere."""

    def __init__(self, *arguments: object, log: Path, through: Sequence[str] = (), **extra: str) -> None:
        self.mark = uuid.uuid4().hex
        self.env = environment(**{MARK: self.mark, **extra})
        self.domain = int(self.env["ROS_DOMAIN_ID"])
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [*through, *command(*arguments)],
                env=self.env,
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def text(self) -> str:
        return self._log.read_text()

    def ctrl_c(self) -> None:
        """What a terminal does: SIGINT to the foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def pids(self) -> dict[int, str]:
        """Processes of this run, with their command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def pid_of(self, part: str) -> int:
        """The process whose command line holds `part`."""
        (pid,) = [pid for pid, line in self.pids().items() if part in line]
        return pid

    def wait(self, timeout_s: float = 60.0) -> int:
        return self.process.wait(timeout_s)

    def close(self) -> None:
        """Kills what is left, by its pid, and clears away its shared memory."""
        segments: set[str] = set()
        left = self.pids()
        for pid in left:
            segments |= mapped(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        until(lambda: not any(mapped(pid) for pid in left), 10, "the end of killed processes")
        sweep(segments)


def until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Waits until `condition` gives something true, and returns it."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain for {what}"
        time.sleep(0.02)
    return found


@contextmanager
def cpu_load(processes: int, limit_s: float = 90.0) -> Iterator[None]:
    """Keeps cores busy; each process ends by itself after `limit_s`."""
    program = f"import time\nend = time.monotonic() + {limit_s}\nwhile time.monotonic() < end: pass"
    busy = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def report_of(out: Path) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((out / "report.json").read_text())
    return tree


@dataclass
class Run:
    """One lock-step run in this process."""

    code: int
    said: str
    report: dict[str, Any]
    out: Path

    def events(self) -> list[str]:
        with open_bag(self.out / "bag") as bag:
            found = [bag.decode(ros_type, raw) for _, ros_type, _, raw in bag.messages(["/events"])]
        return [f"{event.kind}: {event.text}" for event in found]


def run_graph(recording: Path, car: Path, folder: Path, profile: dict[str, Any]) -> dict[str, Any]:
    """The report of the launch file under another profile, in lock-step in this process."""
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
    arguments = {"vehicle": str(car), "policy": str(kinematic()), "bag": str(recording), "profile": str(folder / "profile.yaml")}
    processes = parse(ROOT / "launch" / "heron.launch.xml", arguments)
    with open_bag(recording) as bag:
        start_ns = bag.start_ns
    latency_ns = load_budget(ROOT / "config" / "budget.yaml").latency_ns()
    result = run_lockstep(processes, start_ns, None, latency_ns, folder / "graph", {}, lambda now_ns: None)
    return join_reports(result.components)


def kinematic() -> Path:
    """The folder of the kinematic policy."""
    return ensure_kinematic(cache_folder() / "policies")


def component(package: str, plugin: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """One component of a container's spec."""
    return {"package": package, "plugin": f"{package}::{plugin}", "name": name, "namespace": "", "params": params, "remaps": []}


@dataclass
class Box:
    """A container in a process of its own."""

    process: subprocess.Popen[bytes]
    domain: int
    log: Path

    def text(self) -> str:
        return self.log.read_text()

    def rss_bytes(self) -> int:
        """Memory of the process that lies in RAM."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def container(folder: Path, *components: dict[str, Any]) -> Iterator[Box]:
    """A container `perception` of these components, with the environment of the launch file."""
    spec = {"name": "perception", "namespace": "", "params": {}, "remaps": [], "components": components}
    (folder / "spec.json").write_text(json.dumps(spec))
    launched = parse(ROOT / "launch" / "heron.launch.xml", {"policy": "none"})[0].env
    env = environment(**launched)
    command_line = [sys.executable, "-m", "heron_runtime.container", "--spec", str(folder / "spec.json"), "--die-with-parent", str(os.getpid())]
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command_line, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield Box(process, int(env["ROS_DOMAIN_ID"]), folder / "log.txt")
    finally:
        segments = mapped(process.pid) if process.poll() is None else set()
        process.kill()
        process.wait()
        sweep(segments)
