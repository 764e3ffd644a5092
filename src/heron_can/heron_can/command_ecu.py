"""The other end of the command frames: steering and brakes that follow Heron, and let go when anything is wrong with what they hear."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal, NamedTuple

from heron_can.car import Car, Command
from heron_can.frame import EXTENDED_KEY, Frame
from heron_can.protection import MAX_WRONG_COUNTERS, Guard, Verdict
from heron_core.canbus import FLAG_ERROR, FLAG_REMOTE
from heron_core.errors import ConfigError

TIMEOUT_NS = 50_000_000  # five periods of the demonstration car's commands
RATE_WINDOW_NS = 250_000_000
# Over nominal; the gate keeps to 1.2 of its ticks, and frames jitter on their way. Much more is the backlog of a process that stood still.
RATE_FACTOR = 1.5
_NOT_COMMANDS = FLAG_ERROR | FLAG_REMOTE

Reason = Literal["request", "timeout", "checksum", "counter", "rate"]


class Followed(NamedTuple):
    """What the car does for Heron now.

    Attributes:
        steer_rad: road-wheel angle that the steering goes to; None: the driver steers.
        accel_mps2: acceleration of drive and brakes; None: the pedals rule.
        hold: the standing car is held.
    """

    steer_rad: float | None
    accel_mps2: float | None
    hold: bool


@dataclass(frozen=True, slots=True)
class Release:
    """One unit let go.

    Attributes:
        at_ns: when.
        unit: `steer` or `accel`.
        reason: `request` (a frame gave it back), `timeout`, `checksum`, `counter`, `rate`.
        last_ns: stamp of the last frame that was followed.
    """

    at_ns: int
    unit: str
    reason: Reason
    last_ns: int


class CommandEcu:
    """Steering and brakes of a car, each judging its own message by stamps of frames and the time that it is given; nothing else moves it.

    A unit follows a frame whose length, checksum and counter are right and that requests it. It releases `timeout_ns` after the last such frame, at
    once when the request ends, when checksums or counters are wrong too often, and when frames come much faster than they should. Except after an
    ended request, it then stays released until a right frame *without* request was seen: who was restarted or resumed in the middle of a drive
    cannot take the wheel.

    Attributes:
        releases: in order.
        counts: `frames steer`, `checksum_error steer`, `counter_error_repeated accel`, `released_timeout steer`, … → times.
    """

    def __init__(self, car: Car, timeout_ns: int = TIMEOUT_NS) -> None:
        """Both units are released.

        Raises:
            ConfigError: a command message has no cycle time in its DBC.
        """
        self.releases: list[Release] = []
        self.counts: Counter[str] = Counter()
        self._units = {name: _Unit(car, name, command, timeout_ns, self) for name, command in car.commands.items()}
        self._by_key = {(unit.command.bus, _key(unit.command)): unit for unit in self._units.values()}

    def receive(self, bus: str, frame: Frame) -> str | None:
        """Takes one frame of the bus, in order of time.

        Returns:
            None: no command frame. Else what was made of it: `followed`, `ignored` (requests, but released), `off` (requests nothing), or what was
            wrong.
        """
        unit = self._by_key.get((bus, frame.key))
        if unit is None or frame.flags & _NOT_COMMANDS:
            return None
        verdict = unit.receive(frame)
        self.counts[f"frames {unit.name}"] += 1
        if verdict not in ("followed", "ignored", "off"):
            self.counts[f"{verdict} {unit.name}"] += 1
        return verdict

    def command(self, now_ns: int) -> Followed:
        """What is followed at `now_ns`."""
        for unit in self._units.values():
            unit.expire(now_ns)
        steer, accel = self._units.get("steer"), self._units.get("accel")
        return Followed(
            steer.value if steer is not None and steer.following else None,
            accel.value if accel is not None and accel.following else None,
            accel is not None and accel.following and accel.hold,
        )

    @property
    def buses(self) -> frozenset[str]:
        """Buses that command frames come on."""
        return frozenset(bus for bus, _ in self._by_key)


class _Unit:
    """One control unit and its message."""

    def __init__(self, car: Car, name: str, command: Command, timeout_ns: int, owner: CommandEcu) -> None:
        message = command.message
        if not message.period_ms:
            raise ConfigError(f"{car.path}: message {message.name} of bus {command.bus} has no GenMsgCycleTime in its DBC: how fast may it come?")
        self.name, self.command = name, command
        self.following = self.hold = False
        self.value = 0.0
        self._armed = False
        self._last_ns = 0
        self._wrong_checksums = 0
        self._guard = Guard(command.protection) if command.protection else None
        self._timeout_ns = timeout_ns
        self._most = math.ceil(RATE_FACTOR * RATE_WINDOW_NS / (message.period_ms * 1_000_000))
        self._times: deque[int] = deque()
        self._owner = owner

    def receive(self, frame: Frame) -> str:
        self.expire(frame.stamp_ns)
        if self._too_fast(frame.stamp_ns):
            return self._release(frame.stamp_ns, "rate")
        wrong = self._protected(frame)
        if wrong:
            return wrong
        self._last_ns = frame.stamp_ns
        signals, command = self.command.message.signals, self.command
        if not signals[command.request].raw(frame.data):
            self._release(frame.stamp_ns, "request")
            self._armed = True
            return "off"
        if not self._armed:
            return "ignored"
        self.following = True
        self.value = signals[command.value].value(frame.data) * command.scale + command.offset
        self.hold = bool(command.standstill and signals[command.standstill].raw(frame.data))
        return "followed"

    def expire(self, now_ns: int) -> None:
        if now_ns - self._last_ns > self._timeout_ns:
            self._release(self._last_ns + self._timeout_ns, "timeout")

    def _protected(self, frame: Frame) -> str:
        """What is wrong with length, checksum or counter, or empty."""
        if len(frame.data) != self.command.message.length:
            return self._bad_bytes(frame.stamp_ns, "length_error")
        if self._guard is None:
            return ""
        verdict = self._guard.check(frame.data)
        if verdict is Verdict.WRONG_CHECKSUM:
            return self._bad_bytes(frame.stamp_ns, verdict.value)
        self._wrong_checksums = max(self._wrong_checksums - 1, 0)
        if not self._guard.trusted:
            self._release(frame.stamp_ns, "counter")
            return verdict.value if verdict is not Verdict.OK else "counter_error"
        if verdict is Verdict.SKIPPED_COUNTER:  # frames were lost; this one is new
            self._owner.counts[f"{verdict.value} {self.name}"] += 1
            return ""
        return "" if verdict is Verdict.OK else verdict.value

    def _bad_bytes(self, stamp_ns: int, what: str) -> str:
        self._wrong_checksums = min(self._wrong_checksums + 1, MAX_WRONG_COUNTERS)
        if self._wrong_checksums == MAX_WRONG_COUNTERS:
            self._release(stamp_ns, "checksum")
        return what

    def _too_fast(self, stamp_ns: int) -> bool:
        self._times.append(stamp_ns)
        while stamp_ns - self._times[0] >= RATE_WINDOW_NS:
            self._times.popleft()
        return len(self._times) > self._most

    def _release(self, at_ns: int, reason: Reason) -> str:
        self._armed = False
        if self.following:
            self.following = self.hold = False
            self._owner.releases.append(Release(at_ns, self.name, reason, self._last_ns))
            self._owner.counts[f"released_{reason} {self.name}"] += 1
        return reason


def _key(command: Command) -> int:
    return command.message.id | EXTENDED_KEY if command.message.extended else command.message.id
