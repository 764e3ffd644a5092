"""A simulated car in real time on the buses of its `can.yaml`: plant, control units on both ends of every frame, and a scripted driver.

Examples:
    python -m heron_control.proving_ground.car_on_bus --radius-m 120 --speed-kmh 50 --act do=engage_button,at_s=2,until=followed --seconds 30
    python -m heron_control.proving_ground.car_on_bus --course stop --speed-kmh 30 --script drive.yaml --log truth.jsonl

Its other side is Heron in mode `drive` on interface `unix` (parameters of the components `can` and `control`). The log has one JSON object per line:
`truth` (100 Hz), `frame` (each command frame and what was made of it), `release`, `act`, `bus`, `stall`, `end`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from heron_can.buses import ERROR_BUS_OFF, open_bus, to_frame, to_message
from heron_can.car import load_car
from heron_can.command_ecu import TIMEOUT_NS
from heron_can.frame import Frame
from heron_can.mapping import BusConfig
from heron_control.proving_ground.course_config import CourseConfig
from heron_control.proving_ground.scripted_driver import load_script, parse_act
from heron_control.proving_ground.simulated_car import TICK_NS, SimulatedCar
from heron_control.proving_ground.truth_link import Truth, TruthLink
from heron_core.errors import HeronError
from heron_core.limits import load_limits
from heron_core.vehicle_model import load_vehicle_model

if TYPE_CHECKING:
    import can

STALL_NS = 30_000_000  # logged
LONGEST_STALL_NS = 500_000_000  # over a longer one this process slept: the car does not catch up, it goes on from where it was
FLUSH_TICKS = 5


class _Buses:
    """The car's own end of its buses."""

    def __init__(self, configs: dict[str, BusConfig]) -> None:
        self._configs = configs
        self._open: dict[str, can.BusABC] = {}
        self.join()

    def join(self) -> None:
        for name, config in self._configs.items():
            if name not in self._open:
                self._open[name] = open_bus(name, config)

    def leave(self, bus_off: bool = False) -> None:
        """Closes all; with `bus_off` everybody's controller on a Unix bus goes off too."""
        import can

        for name, bus in self._open.items():
            if bus_off and self._configs[name].interface == "unix":
                bus.send(can.Message(arbitration_id=ERROR_BUS_OFF, is_error_frame=True, is_extended_id=False))
            bus.shutdown()
        self._open.clear()

    def receive(self) -> list[tuple[str, Frame]]:
        found = []
        for name, bus in self._open.items():
            while (message := bus.recv(0.0)) is not None:
                found.append((name, to_frame(message, round(message.timestamp * 1e9))))
        return found

    def send(self, frames: Sequence[tuple[str, Frame]]) -> None:
        import can

        for name, frame in frames:
            bus = self._open.get(name)
            if bus is not None:
                with suppress(can.CanError):  # a bus in trouble misses frames, like a real one
                    bus.send(to_message(frame))


class CarOnBus:
    """Keeps a `SimulatedCar` in step with the wall clock and its buses."""

    def __init__(self, make: Callable[[int], SimulatedCar], buses: dict[str, BusConfig], log: TextIO | None, truth: str = "") -> None:
        """Joins the buses.

        Args:
            make: the car, given the time of its first tick.
            buses: of the car, on their interfaces.
            log: gets one JSON object per line.
            truth: channel of a `TruthLink` to tell the motion on; empty: none.

        Raises:
            InputError: a bus cannot be opened.
        """
        self._log = log
        self._buses = _Buses(buses)
        self._link = TruthLink(truth) if truth else None
        self._waiting: deque[tuple[str, Frame]] = deque()
        self._releases = self._ticks = 0
        self._off = False
        self.counts: Counter[str] = Counter()
        self._start_ns, self._began_ns = time.time_ns(), time.monotonic_ns()
        self.car = make(self._start_ns)
        self._done_ns = self._start_ns  # wall time that the car has been driven up to

    def run(self, stop: Callable[[], bool], seconds: float) -> None:
        """Drives until `stop` or the time is over; blocks."""
        while not stop() and self._done_ns - self._start_ns < seconds * 1e9:
            behind_ns = self._wall_ns() - self._done_ns
            if behind_ns > LONGEST_STALL_NS:
                self._began_ns += behind_ns  # the car's clock stood
                self._say("stall", ms=behind_ns / 1e6, slept=True)
            elif behind_ns > STALL_NS:
                self._say("stall", ms=behind_ns / 1e6, slept=False)
            while self._wall_ns() - self._done_ns >= TICK_NS:
                self._done_ns += TICK_NS
                self._tick(self._done_ns)
            time.sleep(max((self._done_ns + TICK_NS - self._wall_ns()) / 1e9, 0.0))

    def close(self) -> None:
        """Leaves the buses and ends the log."""
        self._say("end", ticks=self._ticks, counts=dict(self.car.ecu.counts), **self.counts)
        self._buses.leave()
        if self._link is not None:
            self._link.close()
        if self._log is not None:
            self._log.flush()

    def _wall_ns(self) -> int:
        return self._start_ns + time.monotonic_ns() - self._began_ns

    def _tick(self, now_ns: int) -> None:
        car = self.car
        self._waiting.extend(self._buses.receive())
        while self._waiting and self._waiting[0][1].stamp_ns <= now_ns:
            bus, frame = self._waiting.popleft()
            verdict = car.ecu.receive(bus, frame)
            if verdict is not None:
                self._say("frame", frame.stamp_ns, id=frame.id, data=frame.data.hex(), verdict=verdict)
        frames = car.tick(now_ns)
        for release in car.ecu.releases[self._releases :]:
            self._say("release", release.at_ns, unit=release.unit, reason=release.reason, last_ns=release.last_ns)
        self._releases = len(car.ecu.releases)
        for act in car.doing.began:
            self._say("act", now_ns, **asdict(act))
        self._switch(car.doing.bus_off, now_ns)
        self._buses.send(frames)
        self._say("truth", now_ns, **car.truth())
        if self._link is not None:
            plant = car.plant
            self._link.send(Truth(now_ns, plant.x_m, plant.y_m, plant.yaw_rad, plant.speed_mps, plant.accel_mps2))
        self._ticks += 1
        if self._log is not None and self._ticks % FLUSH_TICKS == 0:
            self._log.flush()

    def _switch(self, off: bool, now_ns: int) -> None:
        if off == self._off:
            return
        self._off = off
        if off:
            self._buses.leave(bus_off=True)
        else:
            self._buses.join()
        self._say("bus", now_ns, off=off)

    def _say(self, kind: str, ns: int = 0, **what: Any) -> None:
        if kind not in ("truth", "frame"):
            self.counts[f"{kind}s"] += 1
        if self._log is not None:
            ns = ns or self._wall_ns()
            self._log.write(json.dumps({"kind": kind, "ns": ns, "t": round((ns - self._start_ns) / 1e9, 4), **what}) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    options = _parser().parse_args(arguments)
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    try:
        _run(options, lambda: bool(stopped))
    except (HeronError, ValueError, OSError) as error:
        sys.stderr.write(f"car_on_bus: {error}\n")
        return 2
    return 0


def _run(options: argparse.Namespace, stop: Callable[[], bool]) -> None:
    folder: Path = options.vehicle
    car, model, limits = load_car(folder), load_vehicle_model(folder / "vehicle.yaml"), load_limits(folder / "limits.yaml")
    acts = (*(load_script(options.script) if options.script else ()), *map(parse_act, options.act))
    config = CourseConfig(options.course, options.speed_kmh, options.radius_m, options.lead_m, options.length_m)
    course = config.build(limits, model)
    _prioritise(options.priority)

    def make(start_ns: int) -> SimulatedCar:
        return SimulatedCar(car, model, course, acts, start_ns, round(options.timeout_ms * 1e6), options.seed)

    log = options.log.open("w", encoding="utf-8") if options.log else None
    try:
        runner = CarOnBus(make, car.buses(options.interface), log, options.truth)
        print(f"car on {', '.join(car.mapping.buses)} ({options.interface}), {config.kind} at {config.speed_kmh:g} km/h", flush=True)
        try:
            runner.run(stop, options.seconds)
        finally:
            runner.close()
        print(f"stood or drove {runner.car.plant.distance_m:.1f} m; {dict(sorted(runner.car.ecu.counts.items()))}", flush=True)
    finally:
        if log is not None:
            log.close()


def _prioritise(priority: int) -> None:
    if priority:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
        except OSError as error:
            sys.stderr.write(f"car_on_bus: no SCHED_FIFO priority {priority}: {error.strerror}; going on without\n")


def _parser() -> argparse.ArgumentParser:
    course = CourseConfig()
    lines = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(
        prog="car_on_bus", description=lines[0], epilog="\n".join(lines[2:]), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vehicle", type=Path, default=Path("config/vehicle/demo"), help="folder of the car")
    parser.add_argument("--interface", choices=("unix", "virtual", "socketcan"), default="unix", help="of its buses")
    parser.add_argument("--course", choices=("straight", "circle", "curve", "slalom", "stop"), default=course.kind)
    parser.add_argument("--speed-kmh", type=float, default=course.speed_kmh, help="of the start and of the course")
    parser.add_argument("--radius-m", type=float, default=course.radius_m, help="of curves, left positive")
    parser.add_argument("--lead-m", type=float, default=course.lead_m, help="straight before curve, slalom or line")
    parser.add_argument("--length-m", type=float, default=course.length_m)
    parser.add_argument("--script", type=Path, help="YAML file of the driver's acts")
    parser.add_argument("--act", action="append", default=[], help="one more act: do=engage_button,when=standing,after_s=1,until=followed")
    parser.add_argument("--seconds", type=float, default=60.0, help="end after so long")
    parser.add_argument("--timeout-ms", type=float, default=TIMEOUT_NS / 1e6, help="without commands, until steering and brakes let go")
    parser.add_argument("--seed", type=int, help="of the sensors' noise; without it they tell the truth")
    parser.add_argument("--log", type=Path, help="file for the log")
    parser.add_argument("--truth", default="", help="channel to tell the true motion on, for `heron_control::CoursePlanner`")
    parser.add_argument("--priority", type=int, default=0, help="SCHED_FIFO priority; 0: none")
    return parser


if __name__ == "__main__":
    sys.exit(main())
