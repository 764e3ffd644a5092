"""A simulated car on a bus of its own, and Heron's processes that drive it: to be killed, stopped and started again."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from drives import ROOT, component, environment, until

from heron_runtime.launch_reader import parse
from heron_runtime.shm import mapped, sweep

DEMO = ROOT / "config" / "vehicle" / "demo"
PLANNER, TRUTH = "planner", "can0.truth"
STEER_ID, ACCEL_ID = 0x2E0, 0x2F0
ENGAGE = "do=engage_button,at_s=1,until=followed"
LONGEST_S = 110.0
TIMEOUT_MS = 100.0  # of steering and brakes: above what a busy machine makes of 10 ms without SCHED_FIFO
STALLED_MS = 60.0


class Cars:
    """Processes `car`, `actuation` and any number of planners, on a DDS domain and a folder of Unix buses that nobody else uses.

    Attributes:
        domain: of DDS.
        processes: name → process, of all that were started last under that name.
    """

    def __init__(self, folder: Path, speed_kmh: float, radius_m: float, *acts: str, profile: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._all: list[subprocess.Popen[bytes]] = []
        self._segments: set[str] = set()
        self._runtime = tempfile.mkdtemp(prefix="heron")  # short: a socket's path has 108 bytes at most
        self._course = {"course.kind": "circle", "course.speed_kmh": speed_kmh, "course.radius_m": radius_m}
        self._acts = acts
        self._profile = folder / "profile.yaml"
        control = {"interface": "unix", "planner": f"/{PLANNER}", "required_components": ["/can", f"/{PLANNER}"], **(profile or {})}
        parameters = {"/can": {"interface": "unix"}, "/control": control, "/actuation": {"realtime_priority": 40}}
        self._profile.write_text(yaml.safe_dump({name: {"ros__parameters": values} for name, values in parameters.items()}))
        launched = {name: value for process in self._launched() for name, value in process.env.items()}
        self._env = environment(XDG_RUNTIME_DIR=self._runtime, PYTHONUNBUFFERED="1", **launched)
        self.domain = int(self._env["ROS_DOMAIN_ID"])

    def __enter__(self) -> Cars:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            self._kill(process)
        sweep(self._segments)
        shutil.rmtree(self._runtime, ignore_errors=True)

    # Processes ------------------------------------------------------------------------------------------------------------------------

    def start_all(self) -> None:
        """Everything, the car last: its time begins when the others are up."""
        self.start_actuation()
        self.start_planner()
        self.wait_text("actuation", "components are up")
        self.wait_text(PLANNER, "components are up")
        self.start_car()

    def start_car(self) -> None:
        course = [f"--{name.removeprefix('course.').replace('_', '-')}={value}" for name, value in self._course.items() if name != "course.kind"]
        words = [*course, "--course", str(self._course["course.kind"]), *(f"--act={act}" for act in self._acts)]
        words += ["--vehicle", str(DEMO), "--log", str(self.folder / "car.jsonl"), "--truth", TRUTH, "--seconds", str(LONGEST_S)]
        self._start(
            "car",
            [
                sys.executable,
                "-m",
                "heron_control.proving_ground.car_on_bus",
                *words,
                "--timeout-ms",
                str(TIMEOUT_MS),
                "--seed",
                "7",
                "--priority",
                "30",
            ],
        )

    def start_actuation(self) -> None:
        """As the launch file says, under the profile of this test."""
        (process,) = [process for process in self._launched() if process.name == "actuation"]
        self._container("actuation", dataclasses.asdict(process))

    def start_planner(self, name: str = PLANNER) -> None:
        """A process `perception` whose planner knows the road."""
        params = {"vehicle": str(DEMO), "truth": TRUTH, **self._course}
        parts = [component("heron_control", "CoursePlanner", name, params)]
        self._container(name, {"name": f"{name}_box", "namespace": "", "params": {}, "remaps": [], "components": parts})

    def start_recorder(self, out: Path, *topics: str) -> None:
        """A process of its own that records these topics."""
        parts = [component("heron_bag", "Recorder", "recorder", {"out": str(out), "topics": list(topics), "discover_s": 0.1})]
        self._container("recorder", {"name": "recorder_box", "namespace": "", "params": {}, "remaps": [], "components": parts})

    def environment(self) -> dict[str, str]:
        """Of all processes, for one more."""
        return dict(self._env)

    def signal(self, name: str, number: int) -> None:
        if number == signal.SIGKILL:
            self._kill(self.processes[name])
        else:
            self.processes[name].send_signal(number)

    def end(self, name: str) -> int:
        """Asks a process to end; returns its exit code."""
        self.signal(name, signal.SIGTERM)
        return self.processes[name].wait(20)

    def control_report(self) -> dict[str, Any]:
        """Ends the process `actuation`; what its control reported."""
        self.end("actuation")
        return dict(json.loads((self.folder / "report" / "control.json").read_text())["report"])

    # What they say --------------------------------------------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """What a process has said since it was started (last)."""
        return (self.folder / f"{name}.log").read_text()

    def wait_text(self, name: str, part: str, timeout_s: float = 40.0) -> None:
        def found() -> bool:
            assert self.processes[name].poll() is None, f"{name} ended: {self.text(name)}"
            return part in self.text(name)

        try:
            until(found, timeout_s, f"{part!r} of {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def lines(self, kind: str = "") -> list[dict[str, Any]]:
        """The car's log so far, or its lines of one kind."""
        path = self.folder / "car.jsonl"
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in whole if not kind or line.startswith(f'{{"kind": "{kind}"')]

    def truth(self) -> dict[str, Any]:
        """The newest motion."""
        path, size = self.folder / "car.jsonl", 8192
        if not path.exists():
            return {}
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - size, 0))
            found = [line for line in file.read().split(b"\n")[1:-1] if line.startswith(b'{"kind": "truth"')]
        return dict(json.loads(found[-1])) if found else {}

    def wait_truth(self, condition: Any, what: str, timeout_s: float = 40.0) -> dict[str, Any]:
        """Waits for a motion that fulfils `condition`, and returns it."""

        def found() -> dict[str, Any] | None:
            assert self.processes["car"].poll() is None, f"the car ended: {self.said()}"
            truth = self.truth()
            return truth if truth and condition(truth) else None

        try:
            return dict(until(found, timeout_s, what))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def wait_followed(self, seconds: float) -> dict[str, Any]:
        """Until Heron has driven for so long by the car's clock."""
        first = self.wait_truth(followed, "the car following Heron")
        return self.wait_truth(lambda truth: truth["t"] >= first["t"] + seconds, f"{seconds} s of driving")

    def said(self) -> str:
        """The ends of all logs and of the car's releases, for a failed assertion."""
        tails = [f"--- {name}\n" + "\n".join(self.text(name).splitlines()[-15:]) for name in self.processes]
        notes = [line for line in self.lines() if line["kind"] not in ("truth", "frame", "act")]
        return "\n".join([*tails, "--- the car's notes", *map(str, notes[-25:]), str(self.truth())])

    def disturbed(self) -> str:
        """Why this run proves nothing: a process did not get the CPU for too long."""
        stalls = [line["ms"] for line in self.lines("stall") if line["ms"] > STALLED_MS]
        return f"the car stood for {max(stalls):.0f} ms" if stalls else ""

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """Also notes which shared memory it leaves behind."""
        if process.poll() is None:
            self._segments |= mapped(process.pid)
        process.kill()
        process.wait()

    def _launched(self) -> Sequence[Any]:
        arguments = {"policy": "none", "vehicle": str(DEMO), "profile": str(self._profile), "report_dir": str(self.folder / "report")}
        return list(parse(ROOT / "launch" / "heron.launch.xml", arguments))

    def _container(self, name: str, spec: dict[str, Any]) -> None:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(spec))
        self._start(name, [sys.executable, "-m", "heron_runtime.container", "--spec", str(path), "--die-with-parent", str(os.getpid())])

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen(command, env=self._env, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self._all.append(self.processes[name])


def followed(truth: dict[str, Any]) -> bool:
    """Steering and brakes do what Heron asks."""
    return truth["steer_followed"] is not None and truth["accel_followed"] is not None


def requests(frame: dict[str, Any]) -> bool:
    """Whether a logged command frame asks the car to follow, read from its bytes."""
    data = bytes.fromhex(frame["data"])
    return bool(data[1] & 0x10 if frame["id"] == STEER_ID else data[2] & 0x80)
