"""Runs the processes of a launch file: start, forward signals, stop in order, say why one failed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from heron_core.errors import ConfigError
from heron_runtime.launch_reader import Process
from heron_runtime.shm import mapped, sweep

GRACE_S = 12.0  # above the container's own shutdown_timeout_s
TAIL_LINES = 40
SHOWN_LINES = 12
_STOPPING = re.compile(r"\]: stopping: (.*)")  # what a container says of its own accord
_POLL_S = 0.05
_MAPS_PERIOD_S = 1.0
_CONTAINER = ("heron_runtime", "component_container")


@dataclass(frozen=True)
class ProcessExit:
    """How one process ended.

    Attributes:
        returncode: as in subprocess; negative for a signal.
        killed: it outlived the grace time.
        tail: its last lines of output.
    """

    name: str
    pid: int
    returncode: int
    killed: bool
    tail: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether it did not end well."""
        return self.killed or self.returncode != 0

    def explain(self) -> str:
        """For a person: how it ended, and why in its own words; without those, what it said last."""
        how = "was killed after the grace time" if self.killed else f"ended with {self._code()}"
        how = f"process {self.name} (pid {self.pid}) {how}"
        reasons = [found[1] for line in self.tail if (found := _STOPPING.search(line)) and found[1] not in ("SIGINT", "SIGTERM")]
        if reasons:
            return f"{how}: {reasons[-1]}"
        return "\n    ".join([f"{how}; its last lines:", *(self.tail[-SHOWN_LINES:] or ["(nothing)"])])

    def _code(self) -> str:
        if self.returncode >= 0:
            return f"exit code {self.returncode}"
        with suppress(ValueError):
            return signal.Signals(-self.returncode).name
        return f"signal {-self.returncode}"


class _Running:
    """One process with its output."""

    def __init__(self, process: Process, command: list[str], env: Mapping[str, str], log: Path, echo: Callable[[str], None] | None) -> None:
        self.name = process.name or process.executable
        self.killed = False
        self.segments: set[str] = set()
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.popen = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,  # Ctrl-C reaches it through us, once
        )
        self._log, self._echo = log, echo
        self._reader = threading.Thread(target=self._read, name=f"output-{self.name}", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with self._log.open("w", encoding="utf-8") as log:
            for line in self.popen.stdout:
                log.write(line)
                log.flush()
                self.tail.append(line.rstrip("\n"))
                if self._echo:
                    self._echo(f"[{self.name}] {line.rstrip()}")

    def end(self) -> ProcessExit:
        self._reader.join(timeout=2.0)  # a grandchild may keep the pipe open
        return ProcessExit(self.name, self.popen.pid, self.popen.returncode, self.killed, tuple(self.tail))


class Supervisor:
    """Runs processes until they end, one fails, `until` says so, or SIGINT or SIGTERM arrives.

    Args:
        processes: from `launch_reader.parse`.
        env: environment of all; each process's `set_env` goes on top. Default: this process's own.
        out_dir: gets `log/<process>.log` and `spec/<process>.json`.
        echo: called with every line of output (from threads); None: only the logs.
        grace_s: after the stop signal, before a process is killed.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        env: Mapping[str, str] | None,
        out_dir: Path,
        echo: Callable[[str], None] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self.processes, self.env, self.out_dir = tuple(processes), dict(os.environ if env is None else env), out_dir
        self._echo, self._grace_s = echo, grace_s
        self._running: list[_Running] = []
        self._signals: deque[int] = deque()
        self.interrupted = False
        self.swept: list[str] = []

    def pids(self) -> dict[str, int]:
        """Process name → pid, of those that run."""
        return {running.name: running.popen.pid for running in self._running if running.popen.poll() is None}

    def run(self, until: Callable[[], bool] | None = None) -> list[ProcessExit]:
        """Starts all, waits, stops all; blocks. Afterwards `interrupted` tells whether a signal ended the run.

        In the main thread it takes SIGINT and SIGTERM over for its duration and passes them on. Call it from a thread that lives as long as the run:
        the kernel stops the containers when that thread ends.

        Raises:
            ConfigError: an executable does not exist; nothing keeps running.
        """
        previous = self._take_signals()
        try:
            self._start()
            self._wait(until)
        finally:
            self._stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return [running.end() for running in self._running]

    def stop(self) -> None:
        """Ends a `run` that is going on in another thread."""
        self._signals.append(0)

    def _start(self) -> None:
        for folder in ("log", "spec"):
            (self.out_dir / folder).mkdir(parents=True, exist_ok=True)
        names = [process.name or process.executable for process in self.processes]
        for index, process in enumerate(self.processes):
            label = names[index] if names.count(names[index]) == 1 else f"{names[index]}_{index}"
            command = self._command(process, self.out_dir / "spec" / f"{label}.json")
            log = self.out_dir / "log" / f"{label}.log"
            self._running.append(_Running(process, command, {**self.env, "PYTHONUNBUFFERED": "1", **process.env}, log, self._echo))

    def _command(self, process: Process, spec: Path) -> list[str]:
        if (process.package, process.executable) == _CONTAINER:
            spec.write_text(json.dumps(dataclasses.asdict(process), indent=1), encoding="utf-8")
            return [sys.executable, "-m", "heron_runtime.container", "--spec", str(spec), "--die-with-parent", str(os.getpid()), *process.arguments]
        if process.components:
            raise ConfigError(f"container {process.name}: {process.package}/{process.executable} takes no spec; expected {'/'.join(_CONTAINER)}")
        ros_args = [f"__node:={process.name}"] if process.name else []
        ros_args += [f"__ns:={process.namespace}"] if process.namespace else []
        ros_args += [f"{old}:={new}" for old, new in process.remaps]
        words = [word for rule in ros_args for word in ("-r", rule)]
        words += [word for name, value in process.params.items() for word in ("-p", f"{name}:={json.dumps(value)}")]
        return [str(_executable(process.package, process.executable)), *process.arguments, *(["--ros-args", *words] if words else [])]

    def _wait(self, until: Callable[[], bool] | None) -> None:
        looked = 0.0
        while not self._signals and not (until and until()):
            codes = [running.popen.poll() for running in self._running]
            if any(code not in (None, 0) for code in codes) or all(code == 0 for code in codes):
                return
            if time.monotonic() - looked > _MAPS_PERIOD_S:
                looked = time.monotonic()
                self._note_segments()
            time.sleep(_POLL_S)
        self.interrupted = any(self._signals)

    def _stop(self) -> None:
        number = next((number for number in self._signals if number), signal.SIGINT)
        self._note_segments()
        for running in self._running:
            self._send(running, number)
        deadline = time.monotonic() + self._grace_s
        while any(running.popen.poll() is None for running in self._running) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        for running in self._running:
            if running.popen.poll() is None:
                running.killed = True
                self._send(running, signal.SIGKILL)
            running.popen.wait()
        self.swept = sweep(set().union(*(running.segments for running in self._running)))

    @staticmethod
    def _send(running: _Running, number: int) -> None:
        if running.popen.poll() is None:
            with suppress(ProcessLookupError):
                running.popen.send_signal(number)

    def _note_segments(self) -> None:
        for running in self._running:
            if running.popen.poll() is None:
                running.segments |= mapped(running.popen.pid)

    def _take_signals(self) -> dict[int, Any]:
        if threading.current_thread() is not threading.main_thread():
            return {}

        def note(number: int, frame: FrameType | None) -> None:
            self._signals.append(number)

        return {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}


def _executable(package: str, name: str) -> Path:
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        path = Path(get_package_prefix(package), "lib", package, name)
    except (PackageNotFoundError, KeyError) as error:
        raise ConfigError(f"package {package!r} is not installed (AMENT_PREFIX_PATH: {os.environ.get('AMENT_PREFIX_PATH', '')})") from error
    if not path.exists():
        raise ConfigError(f"package {package!r} has no executable {name!r} ({path})")
    return path
