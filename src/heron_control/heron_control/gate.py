"""The gate: the only way from a command to the bus.

It takes commands from inside its process only, narrows what is too much, encodes, decodes the frames again and judges those. It guards and is no
comfort filter: whatever it does is counted.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from heron_control.command import Command
from heron_core.errors import ConfigError
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

# Longest time that a command may be counted to have lasted: after a pause, stale ticks must not add up to one large step.
MAX_STEP_NS = 20_000_000
# Over a longer silence there is nothing to continue: start again with a frame that requests nothing.
MAX_SILENCE_NS = 100_000_000
RATE_WINDOW_NS = 250_000_000
# Rounding of floating-point numbers, as a share of a grid step: far below one step, so it lets nothing through.
GRID_SLACK = 1e-6


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One frame as it goes on the wire."""

    bus: str
    id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Grid:
    """Values that a signal can express: offset + n · step, in the command's unit."""

    step: float
    offset: float = 0.0

    def nearest(self, value: float, low: float, high: float) -> float | None:
        """The expressible value nearest to `value` in [low, high], or None."""
        first, last = math.ceil((low - self.offset) / self.step - GRID_SLACK), math.floor((high - self.offset) / self.step + GRID_SLACK)
        if first > last:
            return None
        inside = min(max(value, low), high)  # first: a huge number has no integer
        return self.offset + self.step * min(max(round((inside - self.offset) / self.step), first), last)


class CommandCodec(Protocol):
    """Commands to frames and back, as the car's DBC says."""

    @property
    def steer_grid(self) -> Grid:
        """Road-wheel angles that a frame can express, rad."""

    @property
    def accel_grid(self) -> Grid:
        """Accelerations that a frame can express, m/s²."""

    def encode(self, command: Command) -> Sequence[RawFrame]:
        """Frames of one tick, with the next counter and the checksum."""

    def decode(self, frames: Sequence[RawFrame]) -> Command | None:
        """What a car reads in these frames; None when they contradict each other or their protection is wrong."""


@dataclass(frozen=True, slots=True)
class Window:
    """Closed ranges that steering angle (rad) and acceleration (m/s²) of the next frame must lie in."""

    steer_low: float
    steer_high: float
    accel_low: float
    accel_high: float

    @property
    def empty(self) -> bool:
        """No command is allowed."""
        return self.steer_low > self.steer_high or self.accel_low > self.accel_high

    def holds(self, command: Command, steer_slack: float, accel_slack: float) -> bool:
        """The command is finite and inside, but for the rounding of floating-point numbers."""
        return (
            self.steer_low - steer_slack <= command.steer_rad <= self.steer_high + steer_slack
            and self.accel_low - accel_slack <= command.accel_mps2 <= self.accel_high + accel_slack
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What went out.

    Attributes:
        sent: as decoded from the frames on the bus; None when nothing was sent.
        limited: the command was narrowed.
        fault: why it was refused, or empty.
    """

    sent: Command | None
    limited: bool = False
    fault: str = ""


def window(limits: Limits, model: VehicleModel, last: Command, speed_mps: float, dt_s: float) -> Window:
    """What may follow `last` after `dt_s` at a speed: the intersection of every limit."""
    speed = abs(speed_mps)
    largest = min(model.steer(limits.curvature_at(speed)), model.steer_max_rad)
    step = limits.steer_rate_at(speed) * dt_s
    low, high = max(-largest, last.steer_rad - step), min(largest, last.steer_rad + step)
    turn = limits.lateral_jerk_mps3 * dt_s / max(speed * speed, 0.01)  # below 0.1 m/s the steering rate decides
    now = model.curvature(last.steer_rad)
    low, high = max(low, model.steer(now - turn)), min(high, model.steer(now + turn))
    jerk = limits.jerk_mps3 * dt_s
    accel_low = max(limits.accel_min_mps2, last.accel_mps2 - jerk)
    accel_high = min(limits.accel_max_mps2, last.accel_mps2 + jerk)
    return Window(low, high, accel_low, accel_high)


class Gate:
    """Lets commands through to the bus.

    Args:
        limits: what no frame that requests anything may break.
        model: the car, to relate steering angle and curvature.
        codec: the car's frames.
        write: hands one frame to the bus; raises or returns False when the bus does not take it.
    """

    def __init__(self, limits: Limits, model: VehicleModel, codec: CommandCodec, write: Callable[[RawFrame, int], bool]) -> None:
        self._limits, self._model, self._codec, self._write = limits, model, codec, write
        self._check_raster()
        self._allowed = {(frame.bus, frame.id, frame.length): frame.period_s for frame in limits.commands}
        self._sent_at: dict[tuple[str, int], deque[int]] = {}
        self._last: Command | None = None
        self._last_ns = 0
        self.limited = 0
        self.rejected = 0
        self.frames = 0

    def _check_raster(self) -> None:
        top, tick_s = self._limits.speed_max_mps, min(frame.period_s for frame in self._limits.commands)
        finest = self._model.steer(self._limits.lateral_jerk_mps3 * tick_s / (top * top))
        if self._codec.steer_grid.step > finest:
            raise ConfigError(
                f"one step of the steering command is {self._codec.steer_grid.step:.2e} rad, but lateral jerk at speed_max_mps = {top} allows"
                f" {finest:.2e} rad per frame: steering would stand still. Lower speed_max_mps or use a finer signal"
            )

    def send(self, command: Command, speed_mps: float | None, measured_steer_rad: float | None, now_ns: int) -> Verdict:
        """Sends the frames of one tick.

        A command that requests nothing carries the measured angle. One that must be refused becomes such a command; the caller drops its
        permission on `Verdict.fault`.

        Args:
            command: what control wants.
            speed_mps: highest valid speed; None when no source is valid.
            measured_steer_rad: road-wheel angle; None when not valid.
            now_ns: the tick.
        """
        if not command.request:
            return self._release(measured_steer_rad, now_ns, "")
        fault, narrowed = self._narrow(command, speed_mps, now_ns)
        if narrowed is None:
            self.rejected += 1
            return self._release(measured_steer_rad, now_ns, fault)
        limited = _differs(narrowed.steer_rad, command.steer_rad, self._codec.steer_grid) or _differs(
            narrowed.accel_mps2, command.accel_mps2, self._codec.accel_grid
        )
        self.limited += limited
        return self._emit(narrowed, speed_mps, measured_steer_rad, now_ns, limited)

    def _narrow(self, command: Command, speed_mps: float | None, now_ns: int) -> tuple[str, Command | None]:
        if not (math.isfinite(command.steer_rad) and math.isfinite(command.accel_mps2)):
            return f"command is not finite: steer {command.steer_rad}, accel {command.accel_mps2}", None
        if speed_mps is None or not math.isfinite(speed_mps):
            return "no valid speed", None
        allowed = self._window(speed_mps, now_ns)
        if isinstance(allowed, str):
            return allowed, None
        steer = self._codec.steer_grid.nearest(command.steer_rad, allowed.steer_low, allowed.steer_high)
        accel = self._codec.accel_grid.nearest(command.accel_mps2, allowed.accel_low, allowed.accel_high)
        if steer is None or accel is None:
            return f"limits leave no command at {speed_mps:.1f} m/s", None
        return "", Command(steer, accel, command.steer_request, command.accel_request, command.hold)

    def _window(self, speed_mps: float, now_ns: int) -> Window | str:
        silence_ns = now_ns - self._last_ns
        if self._last is None or silence_ns > MAX_SILENCE_NS:
            return "no frame to continue from"
        if silence_ns <= 0:
            return "clock stands or steps back"
        found = window(self._limits, self._model, self._last, speed_mps, min(silence_ns, MAX_STEP_NS) / 1e9)
        return f"limits leave no command at {speed_mps:.1f} m/s" if found.empty else found

    def _emit(self, command: Command, speed_mps: float | None, measured_steer_rad: float | None, now_ns: int, limited: bool) -> Verdict:
        frames = self._codec.encode(command)
        fault = self._judge(command, frames, speed_mps, now_ns)
        if fault:
            self.rejected += 1
            return self._release(measured_steer_rad, now_ns, fault)
        return self._put(frames, now_ns, limited, "")

    def _release(self, measured_steer_rad: float | None, now_ns: int, fault: str) -> Verdict:
        """A frame that requests nothing; without a measured angle the bus stays quiet."""
        if measured_steer_rad is None or not math.isfinite(measured_steer_rad):
            self._last = None
            return Verdict(None, fault=fault or "no measured steering angle")
        lock = self._model.steer_max_rad
        steer = self._codec.steer_grid.nearest(measured_steer_rad, -lock, lock)
        accel = self._codec.accel_grid.nearest(0.0, self._limits.accel_min_mps2, self._limits.accel_max_mps2)
        if steer is None or accel is None:
            return Verdict(None, fault="frames cannot express a command at rest")
        frames = self._codec.encode(Command(steer, accel, False, False))
        wrong = self._listed(frames, now_ns)
        read = self._codec.decode(frames)
        if not wrong and (read is None or read.request):
            wrong = f"frames at rest decode to {read}"
        if wrong:
            self.rejected += 1
            self._last = None
            return Verdict(None, fault=fault or wrong)
        return self._put(frames, now_ns, False, fault)

    def _judge(self, command: Command, frames: Sequence[RawFrame], speed_mps: float | None, now_ns: int) -> str:
        wrong = self._listed(frames, now_ns)
        if wrong:
            return wrong
        read = self._codec.decode(frames)
        allowed = self._window(speed_mps, now_ns) if speed_mps is not None else "no valid speed"
        if isinstance(allowed, str):
            return allowed
        steer_slack, accel_slack = GRID_SLACK * self._codec.steer_grid.step, GRID_SLACK * self._codec.accel_grid.step
        asked = (command.steer_request, command.accel_request, command.hold)
        if read is not None and (read.steer_request, read.accel_request, read.hold) == asked and allowed.holds(read, steer_slack, accel_slack):
            return ""
        return f"frames decode to {read} for {command}"

    def _listed(self, frames: Sequence[RawFrame], now_ns: int) -> str:
        for frame in frames:
            period_s = self._allowed.get((frame.bus, frame.id, len(frame.data)))
            if period_s is None:
                return f"frame 0x{frame.id:X} of {len(frame.data)} bytes on {frame.bus} is not on the whitelist"
            times = self._sent_at.get((frame.bus, frame.id), ())
            recent = sum(1 for time_ns in times if 0 <= now_ns - time_ns < RATE_WINDOW_NS)
            if recent + 1 > math.ceil(self._limits.command_rate_factor * RATE_WINDOW_NS / 1e9 / period_s):
                return f"frame 0x{frame.id:X} is sent too often"
        return ""

    def _put(self, frames: Sequence[RawFrame], now_ns: int, limited: bool, fault: str) -> Verdict:
        for frame in frames:
            times = self._sent_at.setdefault((frame.bus, frame.id), deque())
            while times and not 0 <= now_ns - times[0] < RATE_WINDOW_NS:
                times.popleft()
            times.append(now_ns)
            if not self._write(frame, now_ns):
                self._last = None
                return Verdict(None, limited, fault or "bus does not take frames")
            self.frames += 1
        self._last, self._last_ns = self._codec.decode(frames), now_ns
        return Verdict(self._last, limited, fault)


def _differs(sent: float, asked: float, grid: Grid) -> bool:
    return abs(sent - asked) > 0.5 * grid.step * (1.0 + GRID_SLACK)
