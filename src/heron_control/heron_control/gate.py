"""The gate: the only way from a command to the bus.

It takes commands from inside its process only, narrows what is too much, encodes, decodes the frames again and judges those. It guards and is no
comfort filter: whatever it does is counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from heron_control.codec import GRID_SLACK, CommandCodec, Grid, RawFrame
from heron_control.command import Command
from heron_control.gate_window import Occurrences, Range, Window, accel_range, returning_range, steer_range
from heron_core.errors import ConfigError
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

# Longest time that a command may be counted to have lasted: after a pause, stale ticks must not add up to one large step.
MAX_STEP_NS = 20_000_000
# Over a longer silence there is nothing to continue: start again with a frame that requests nothing.
MAX_SILENCE_NS = 100_000_000
RATE_WINDOW_NS = 250_000_000
NO_ANGLE = "no measured steering angle"


class _RefusedError(Exception):
    """A command cannot go out; says why as `kind: detail`."""


class Verdict(NamedTuple):
    """What went out.

    Attributes:
        sent: as decoded from the frames on the bus; None when nothing was sent.
        limited: names of the limits that narrowed the command.
        fault: why it was refused, as `kind: detail`, or empty.
        ladder: the ladder's command went out in its place: steering held, acceleration on its way to an emergency stop.
    """

    sent: Command | None
    limited: tuple[str, ...] = ()
    fault: str = ""
    ladder: bool = False


class Gate:
    """Lets commands through to the bus.

    Args:
        limits: what no frame that requests anything may break.
        model: the car, to relate steering angle and curvature.
        codec: the car's frames.
        write: hands one frame to the bus; returns False when the bus does not take it.

    Attributes:
        limited: ticks whose command was narrowed.
        rejected: ticks whose command was refused.
        frames: that went out.
        alarm: more than `limits.alarm.share` of the ticks within its window were narrowed or refused.
    """

    def __init__(self, limits: Limits, model: VehicleModel, codec: CommandCodec, write: Callable[[RawFrame, int], bool]) -> None:
        self._limits, self._model, self._codec, self._write = limits, model, codec, write
        self._check_raster()
        window_s = RATE_WINDOW_NS / 1e9
        self._sent = {
            (frame.bus, frame.id, frame.length): Occurrences(limits.command_rate_factor * window_s / frame.period_s, RATE_WINDOW_NS)
            for frame in limits.commands
        }
        self._activity = Occurrences(limits.alarm.share * limits.alarm.window_s / self._period_s + 1, round(limits.alarm.window_s * 1e9))
        self._last: tuple[Command, int] | None = None  # what the car read last, and when
        self._angle_ns: int | None = None  # when the wheels' angle was known last
        self._count = 0
        self._by_limit: Counter[str] = Counter()
        self._by_fault: Counter[str] = Counter()
        self._alarms = 0
        self.limited = 0
        self.rejected = 0
        self.frames = 0
        self.alarm = False

    @property
    def _period_s(self) -> float:
        return min(frame.period_s for frame in self._limits.commands)

    def _check_raster(self) -> None:
        top = self._limits.speed_max_mps
        finest = self._model.steer(self._limits.lateral_jerk_mps3 * self._period_s / (top * top))
        if self._codec.steer_grid.step > finest:
            raise ConfigError(
                f"one step of the steering command is {self._codec.steer_grid.step:.2e} rad, but lateral jerk at speed_max_mps = {top} allows"
                f" {finest:.2e} rad per frame: steering would stand still. Lower speed_max_mps or use a finer signal"
            )

    def send(self, command: Command, speed_mps: float | None, measured_steer_rad: float | None, now_ns: int) -> Verdict:
        """Sends the frames of one tick.

        What is not requested carries the measured angle and acceleration 0, so a new request starts from there. An implausible command gives way
        to the ladder's. Where that is impossible too, or a limit is unknown, the frames request nothing: `Verdict.fault` without `ladder`.

        Args:
            command: what control wants.
            speed_mps: highest valid speed; None when no source is valid.
            measured_steer_rad: road-wheel angle; None when not valid.
            now_ns: the tick.
        """
        measured = measured_steer_rad if measured_steer_rad is not None and math.isfinite(measured_steer_rad) else None
        self._angle_ns = self._angle_ns if measured is None else now_ns
        verdict = self._requested(command, speed_mps, measured, now_ns) if command.request else self._released(measured, now_ns, "")
        self._note(command, verdict, now_ns)
        return verdict

    def close(self, now_ns: int) -> Verdict:
        """One last frame that requests nothing, with the last angle, before the bus goes quiet; none where it is quiet already."""
        if self._last is None:
            return Verdict(None)
        verdict = self._at_rest(self._last[0].steer_rad, now_ns, "")
        self._last = None
        return verdict

    def report(self) -> dict[str, object]:
        """The key `gate` of report.json: counts, also per limit that narrowed and per kind of fault."""
        return {
            "limited": self.limited,
            "rejected": self.rejected,
            "frames": self.frames,
            "alarms": self._alarms,
            "limits": dict(sorted(self._by_limit.items())),
            "faults": dict(sorted(self._by_fault.items())),
        }

    def _note(self, command: Command, verdict: Verdict, now_ns: int) -> None:
        self.limited += bool(verdict.limited)
        self._by_limit.update(verdict.limited)
        if verdict.fault and (command.request or verdict.fault != NO_ANGLE):  # at rest, a car that says nothing yet is no fault
            self.rejected += 1
            self._by_fault[verdict.fault.split(":")[0]] += 1
        if command.request and (verdict.limited or verdict.fault):
            self._activity.add(now_ns)
        alarm = self._activity.full(now_ns)
        self._alarms += alarm and not self.alarm
        self.alarm = alarm

    def _requested(self, command: Command, speed_mps: float | None, measured_rad: float | None, now_ns: int) -> Verdict:
        try:
            window = self._window(command, speed_mps, measured_rad, now_ns)
        except _RefusedError as why:
            return self._released(measured_rad, now_ns, str(why))
        try:
            narrowed, limited = self._narrowed(command, window)
            return self._emit(narrowed, window, now_ns)._replace(limited=limited)
        except _RefusedError as why:
            fault = str(why)
        try:
            if window.last.request:
                return self._emit(self._ladder(command, window), window, now_ns)._replace(fault=fault, ladder=True)
        except _RefusedError:
            pass  # the first reason is told
        return self._released(measured_rad, now_ns, fault)

    def _window(self, command: Command, speed_mps: float | None, measured_rad: float | None, now_ns: int) -> Window:
        if speed_mps is None or not math.isfinite(speed_mps):
            raise _RefusedError("no valid speed")
        if self._last is None or now_ns - self._last[1] > MAX_SILENCE_NS:
            raise _RefusedError("no frame to continue from")
        last, silence_ns = self._last[0], now_ns - self._last[1]
        if silence_ns <= 0:
            raise _RefusedError("clock stands or steps back")
        if not last.request and abs(speed_mps) > self._limits.speed_max_mps:
            raise _RefusedError(f"too fast to begin: {speed_mps:.1f} m/s")
        dt_s = min(silence_ns, MAX_STEP_NS) / 1e9
        if self._angle_ns is None or now_ns - self._angle_ns > self._limits.state.blind_s * 1e9:
            raise _RefusedError(NO_ANGLE)
        steer = self._steer_window(last, speed_mps, measured_rad, dt_s) if command.steer_request else None
        if steer is None and measured_rad is None:
            raise _RefusedError(NO_ANGLE)
        accel = accel_range(self._limits, last.accel_mps2, dt_s) if command.accel_request else None
        return Window(steer, accel, measured_rad or 0.0, last, dt_s)

    def _steer_window(self, last: Command, speed_mps: float, measured_rad: float | None, dt_s: float) -> Range:
        """A new request starts from where the wheels are, a running one from the last frame."""
        start = last.steer_rad if last.steer_request else measured_rad
        if start is None:
            raise _RefusedError(NO_ANGLE)
        grid = self._codec.steer_grid
        found = steer_range(self._limits, self._model, start, speed_mps, dt_s)
        if grid.nearest(start, found.low, found.high) is not None:
            return found
        if not last.steer_request:
            raise _RefusedError(f"measured angle is beyond the limits: {start:.3f} rad at {speed_mps:.1f} m/s")
        found = returning_range(self._limits, self._model, start, speed_mps, dt_s, grid.step)
        if grid.nearest(start, found.low, found.high) is None:
            raise _RefusedError(f"lateral acceleration is above its ceiling: {start:.3f} rad at {speed_mps:.1f} m/s")
        return found

    def _narrowed(self, command: Command, window: Window) -> tuple[Command, tuple[str, ...]]:
        asked = [value for value, on in ((command.steer_rad, window.steer), (command.accel_mps2, window.accel)) if on]
        if not all(math.isfinite(value) for value in asked):
            raise _RefusedError(f"command is not finite: steer {command.steer_rad}, accel {command.accel_mps2}")
        wanted = min(command.accel_mps2, 0.0) if command.hold else command.accel_mps2  # what holds a car does not push it
        narrowed = self._shaped(command, window, command.steer_rad, wanted)
        broken = (
            window.steer.broken(command.steer_rad, 0.5 * self._codec.steer_grid.step) if window.steer else "",  # by more than the raster rounds
            window.accel.broken(wanted, 0.5 * self._codec.accel_grid.step) if window.accel else "",
            "hold" if window.accel and (wanted != command.accel_mps2 or narrowed.hold != command.hold) else "",
        )
        return narrowed, tuple(name for name in broken if name)

    def _ladder(self, command: Command, window: Window) -> Command:
        """Steering as it is, acceleration on its way to the emergency stop."""
        stop, last = self._limits.emergency_stop, window.last
        step = stop.jerk_mps3 * window.dt_s
        accel = self._codec.accel_grid.nearest(stop.accel_mps2, last.accel_mps2 - step, last.accel_mps2 + step)
        return self._shaped(replace(command, hold=True), window, last.steer_rad, last.accel_mps2 if accel is None else accel)

    def _shaped(self, command: Command, window: Window, steer_rad: float, accel_mps2: float) -> Command:
        """A command that the frames can express, inside the window."""
        if window.steer is None:
            steer = self._expressible_angle(window.steer_at_rest_rad)
        else:
            steer = _inside(self._codec.steer_grid, steer_rad, window.steer)
        if window.accel is None:
            return Command(steer, 0.0, command.steer_request, False, False)
        accel = _inside(self._codec.accel_grid, accel_mps2, window.accel)
        return Command(steer, accel, command.steer_request, True, command.hold and accel <= 0.0)

    def _released(self, measured_rad: float | None, now_ns: int, fault: str) -> Verdict:
        """A frame that requests nothing; without a measured angle it is the last one."""
        if measured_rad is None:
            return self.close(now_ns)._replace(fault=fault or NO_ANGLE)
        return self._at_rest(measured_rad, now_ns, fault)

    def _at_rest(self, steer_rad: float, now_ns: int, fault: str) -> Verdict:
        try:
            verdict = self._emit(Command(self._expressible_angle(steer_rad), 0.0, False, False), None, now_ns)
        except _RefusedError as why:
            self._last = None
            return Verdict(None, fault=fault or str(why))
        return verdict._replace(fault=fault or verdict.fault)

    def _expressible_angle(self, steer_rad: float) -> float:
        lock = self._model.steer_max_rad
        return _inside(self._codec.steer_grid, steer_rad, Range(-lock, lock, "", ""))

    def _emit(self, command: Command, window: Window | None, now_ns: int) -> Verdict:
        """Writes the frames of a command if they are right.

        Raises:
            _RefusedError: they are not, and nothing was written.
        """
        try:
            frames = self._codec.encode(command, self._count)
        except ValueError as error:
            raise _RefusedError(f"frames cannot express the command: {error}") from error
        self._check_listed(frames, now_ns)
        read = self._codec.decode(frames, self._count)
        right = read is not None and self._right(read, command, window)
        if not right and (window is not None or read is None or read.request or read.hold):
            raise _RefusedError(f"frames decode wrongly: {read} for {command}")
        for number, frame in enumerate(frames):
            if not self._write(frame, now_ns):
                self._last = None
                return Verdict(None, fault="bus does not take frames")
            if number == 0:
                self._count += 1  # from here the car has seen this counter
            self._sent[frame.bus, frame.id, len(frame.data)].add(now_ns)
            self.frames += 1
        self._last = (read, now_ns) if read is not None and right else None  # wrong values at rest release, but nothing starts from them
        return Verdict(read)

    def _right(self, read: Command, command: Command, window: Window | None) -> bool:
        """What a car reads asks for what was meant and breaks no limit; an axis at rest reads as it was meant, for the next request starts there."""
        steer_slack, accel_slack = GRID_SLACK * self._codec.steer_grid.step, GRID_SLACK * self._codec.accel_grid.step
        steer = (window and window.steer) or Range(command.steer_rad, command.steer_rad, "rest", "rest")
        accel = (window and window.accel) or Range(command.accel_mps2, command.accel_mps2, "rest", "rest")
        return (
            (read.steer_request, read.accel_request, read.hold) == (command.steer_request, command.accel_request, command.hold)
            and not steer.broken(read.steer_rad, steer_slack)
            and not accel.broken(read.accel_mps2, accel_slack)
            and not (read.hold and read.accel_mps2 > accel_slack)
        )

    def _check_listed(self, frames: Sequence[RawFrame], now_ns: int) -> None:
        for frame in frames:
            sent = self._sent.get((frame.bus, frame.id, len(frame.data)))
            if sent is None:
                raise _RefusedError(f"frame is not on the whitelist: 0x{frame.id:X} of {len(frame.data)} bytes on {frame.bus}")
            if sent.full(now_ns):
                raise _RefusedError(f"frame is sent too often: 0x{frame.id:X}")


def _inside(grid: Grid, value: float, allowed: Range) -> float:
    found = grid.nearest(value, allowed.low, allowed.high)
    if found is None:
        raise _RefusedError(f"limits leave no command: {allowed.low} to {allowed.high}")
    return found
