"""The independent judge of what Heron puts on the bus: raw bytes of both directions in, every broken limit out.

It shares nothing with the code that it judges: own decoder (`frame_bits`), own arithmetic, `limits.yaml` and `vehicle.yaml` read as plain YAML. The
only tolerance is half a step of what a frame can express.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import yaml

from heron_bringup.actuation import frame_bits as bits

LATERAL_ACCEL_CEILING_MPS2 = 3.6  # ISO 11270: 3.0 plus 6 % of road bank; no frame asks for more, not even while an angle returns
RATE_WINDOW_NS = 250_000_000
MAX_STEP_NS = 20_000_000  # after a late tick no larger step than this much time is worth
MAX_SILENCE_NS = 100_000_000  # over a longer one a request has nothing to continue
NEW_SENDER_NS = 1_000_000_000  # over a longer one the counter may start anew
GEAR_AGE_NS = 1_000_000_000
ROLL_BACK_MPS = -0.3
HALF = 0.5  # of a raster step


class BusFrame(NamedTuple):
    """One frame in the order of the bus: true time, channel, id, payload, and whether Heron sent it."""

    time_ns: int
    bus: str
    id: int
    data: bytes
    sent: bool


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that one sent frame breaks: measured value against what is allowed."""

    time_ns: int
    id: int
    limit: str
    value: float
    allowed: float


@dataclass(frozen=True)
class Rules:
    """The numbers that the judge needs of `limits.yaml` and `vehicle.yaml`, under their names there; `whitelist`: (bus, id) → (length, period)."""

    lateral_accel_mps2: float
    lateral_jerk_mps3: float
    curvature_per_m: float
    steer_rate_rps: float
    steer_rate_30mps_rps: float
    accel_max_mps2: float
    accel_min_mps2: float
    jerk_mps3: float
    command_rate_factor: float
    age_max_ns: int
    lost_ns: int
    wheelbase_m: float
    steer_ratio: float
    steer_max_rad: float
    whitelist: Mapping[tuple[str, int], tuple[int, float]]

    @staticmethod
    def load(vehicle: Path) -> Rules:
        """From the folder of one car."""
        limits = yaml.safe_load((vehicle / "limits.yaml").read_text())
        car = yaml.safe_load((vehicle / "vehicle.yaml").read_text())
        numbers = {**car, **limits}
        return Rules(
            **{each.name: float(numbers[each.name]) for each in fields(Rules) if each.name in numbers},
            age_max_ns=round(limits["state"]["age_max_s"] * 1e9),
            lost_ns=round(limits["state"]["lost_s"] * 1e9),
            whitelist={(each["bus"], each["id"]): (each["length"], each["period_s"]) for each in limits["commands"]},
        )


class FrameJudge:
    """Takes every frame on the bus in order of time and says which limits a sent one breaks.

    Attributes:
        frames, requests: sent frames seen, and those among them that request something.
        returns: steering frames of an angle that rising speed had made too large.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._step_rad = math.radians(bits.STEER_STEP_DEG) / rules.steer_ratio
        self._lock_steps = math.floor(rules.steer_max_rad / self._step_rad)
        self._ears = {key: bits.Ear(key) for key in (bits.VEHICLE_SPEED, bits.WHEEL_SPEEDS, bits.STEERING, bits.GEARBOX)}
        self._sent_at: dict[int, deque[int]] = {}
        self._lost: dict[int, int] = {}
        self._counters: dict[int, tuple[int, int]] = {}
        self._steer: tuple[int, bits.SteerCommand] | None = None
        self._accel: tuple[int, bits.AccelCommand] | None = None
        self._speed: tuple[int, float] | None = None
        self._farewell = False
        self._found: list[Violation] = []
        self._frame = BusFrame(0, "", 0, b"", False)
        self.frames = 0
        self.requests = 0
        self.returns = 0

    def take(self, frame: BusFrame) -> list[Violation]:
        """The verdict on one frame; of a received one there is nothing to say."""
        if not frame.sent:
            self._hear(frame)
            return []
        self.frames += 1
        self._found, self._frame = [], frame
        if self._listed():
            self._often()
            self._sealed()
            if frame.id == bits.STEER_CMD:
                self._judge_steer(bits.steer_command(frame.data))
            else:
                self._judge_accel(bits.accel_command(frame.data))
        return self._found

    def lost(self, can_id: int) -> None:
        """The bus did not take a frame that Heron sent: its counter may be missing in the next."""
        self._lost[can_id] = self._lost.get(can_id, 0) + 1

    def _hear(self, frame: BusFrame) -> None:
        ear = self._ears.get(frame.id)
        if ear is None or len(frame.data) < bits.LENGTH:
            return
        payload = frame.data[: bits.LENGTH]
        if not bits.protected(frame.id, payload):
            return
        if frame.id == bits.VEHICLE_SPEED:
            ear.hear(frame.time_ns, payload, (bits.vehicle_speed_mps(payload),))
        elif frame.id == bits.WHEEL_SPEEDS:
            ear.hear(frame.time_ns, payload, bits.wheel_speeds_mps(payload))
        elif frame.id == bits.STEERING:
            ear.hear(frame.time_ns, payload, (bits.wheel_angle_deg(payload),))
        else:
            ear.hear(frame.time_ns, payload, (bits.gear(payload),))

    def _break(self, limit: str, value: float, allowed: float) -> None:
        self._found.append(Violation(self._frame.time_ns, self._frame.id, limit, value, allowed))

    def _listed(self) -> bool:
        frame = self._frame
        length, _ = self._rules.whitelist.get((frame.bus, frame.id), (-1, 0.0))
        if length != len(frame.data):
            self._break("whitelist", len(frame.data), length)
        return length == len(frame.data)

    def _often(self) -> None:
        frame = self._frame
        times = self._sent_at.setdefault(frame.id, deque())
        while times and frame.time_ns - times[0] >= RATE_WINDOW_NS:
            times.popleft()
        times.append(frame.time_ns)
        nominal = RATE_WINDOW_NS / 1e9 / self._rules.whitelist[frame.bus, frame.id][1]
        allowed = math.floor(self._rules.command_rate_factor * nominal + 1e-9)
        if len(times) > allowed:
            self._break("rate", len(times), allowed)

    def _sealed(self) -> None:
        frame, data = self._frame, self._frame.data
        if not bits.protected(frame.id, data):
            self._break("checksum", data[7 if frame.id == bits.ACCEL_CMD else 0], -1)
        count, modulus = bits.counter(frame.id, data), bits.counter_modulus(frame.id)
        last_ns, last = self._counters.get(frame.id, (-NEW_SENDER_NS, -1))
        most = 1 + self._lost.pop(frame.id, 0)
        if count >= modulus or (last >= 0 and frame.time_ns - last_ns <= NEW_SENDER_NS and not 1 <= (count - last) % modulus <= most):
            self._break("counter", count, (last + 1) % modulus)
        self._counters[frame.id] = (frame.time_ns, count)
        unused = (data[2] & 0x3F, *data[3:6], data[6] & 0xF0) if frame.id == bits.ACCEL_CMD else (data[1] & 0xE0, *data[4:8])
        if any(unused):
            self._break("unused_bits", max(unused), 0)

    def _speed_now(self) -> float | None:
        """Highest |speed| that the valid sources say; while all are silent, the last that was known, until they count as lost."""
        now_ns, found = self._frame.time_ns, []
        for key in (bits.VEHICLE_SPEED, bits.WHEEL_SPEEDS):
            if self._ears[key].heard(now_ns, self._rules.age_max_ns):
                found += [abs(value) for value in self._ears[key].values]
        if found:
            self._speed = now_ns, max(found)
        return self._speed[1] if self._speed and now_ns - self._speed[0] <= self._rules.lost_ns else None

    def _measured_deg(self) -> float | None:
        ear = self._ears[bits.STEERING]
        return ear.values[0] if ear.heard(self._frame.time_ns, self._rules.age_max_ns) else None

    def _may_request(self, last_ns: int | None, continued: bool) -> bool:
        """Rules of every request, whatever it asks for."""
        now_ns, gear = self._frame.time_ns, self._ears[bits.GEARBOX]
        self.requests += 1
        if gear.heard(now_ns, GEAR_AGE_NS) and gear.values[0] == bits.GEAR_REVERSE:
            self._break("reverse", gear.values[0], 3)
        elif not continued and self._rolls_back():
            self._break("reverse", self._ears[bits.VEHICLE_SPEED].values[0], ROLL_BACK_MPS)
        if last_ns is None or now_ns - last_ns > MAX_SILENCE_NS:
            self._break("continuity", math.inf if last_ns is None else (now_ns - last_ns) / 1e9, MAX_SILENCE_NS / 1e9)
            return False
        return True

    def _rolls_back(self) -> bool:
        """The car says so. Sources that contradict each other say nothing about the direction: that is the ladder's business."""
        now_ns, age_ns = self._frame.time_ns, self._rules.age_max_ns
        speed, wheels = self._ears[bits.VEHICLE_SPEED], self._ears[bits.WHEEL_SPEEDS]
        agreed = not wheels.heard(now_ns, age_ns) or max(wheels.values) < ROLL_BACK_MPS
        return speed.heard(now_ns, age_ns) and speed.values[0] < ROLL_BACK_MPS and agreed

    def _judge_steer(self, command: bits.SteerCommand) -> None:
        last, now_ns, speed, measured_deg = self._steer, self._frame.time_ns, self._speed_now(), self._measured_deg()
        self._steer = now_ns, command
        if not command.request:
            self._judge_release(command, last[1] if last else None)
            return
        self._farewell = False
        if self._may_request(last[0] if last else None, bool(last and last[1].request)) and last is not None:
            unknown_ns = now_ns - self._ears[bits.STEERING].believed_ns
            if speed is None or unknown_ns > self._rules.lost_ns or (measured_deg is None and not last[1].request):
                self._break("blind", unknown_ns / 1e9, self._rules.lost_ns / 1e9)
                return
            # Until now the car followed its driver: the first request starts from the measured angle. Angles are right positive here.
            start_rad = last[1].steps * self._step_rad
            if measured_deg is not None and not last[1].request:
                start_rad = math.radians(measured_deg) / self._rules.steer_ratio
            self._judge_turn(command.steps * self._step_rad, start_rad, speed, min(now_ns - last[0], MAX_STEP_NS) / 1e9, last[1].request)

    def _judge_release(self, command: bits.SteerCommand, last: bits.SteerCommand | None) -> None:
        """A frame that requests nothing says where the wheels are; unknown that, or as the last of a stream, it may repeat the angle before it."""
        measured = self._measured_deg()
        if measured is not None:
            expected = min(max(measured / bits.STEER_STEP_DEG, -self._lock_steps), self._lock_steps)
            if abs(command.steps - expected) <= HALF + 1e-9:
                self._farewell = False
                return
        if last is not None and command.steps == last.steps and (measured is None or not self._farewell):
            self._farewell = measured is not None
            return
        self._break("release_angle", command.steps * bits.STEER_STEP_DEG, math.nan if measured is None else measured)

    def _judge_turn(self, steer_rad: float, start_rad: float, speed: float, dt_s: float, continued: bool) -> None:
        rules, half_rad, squared = self._rules, HALF * self._step_rad, speed * speed
        if abs(steer_rad) > rules.steer_max_rad + half_rad:
            self._break("lock", abs(steer_rad), rules.steer_max_rad)
        if abs(self._curvature(steer_rad)) > 1.0:  # far beyond any lock; the tangent is no measure there
            self._break("curvature", abs(self._curvature(steer_rad)), rules.curvature_per_m)
            return
        bend, before = self._curvature(steer_rad), self._curvature(start_rad)
        slack = self._curvature(abs(steer_rad) + half_rad) - abs(bend)
        if abs(bend) > rules.curvature_per_m + slack:
            self._break("curvature", abs(bend), rules.curvature_per_m)
        rate = rules.steer_rate_rps + min(speed / 30.0, 1.0) * (rules.steer_rate_30mps_rps - rules.steer_rate_rps)
        if abs(steer_rad - start_rad) > rate * dt_s + half_rad:
            self._break("steer_rate", abs(steer_rad - start_rad), rate * dt_s)
        if squared * (abs(bend - before) - slack) > rules.lateral_jerk_mps3 * dt_s:
            self._break("lateral_jerk", squared * abs(bend - before), rules.lateral_jerk_mps3 * dt_s)
        allowed = rules.lateral_accel_mps2
        if continued and squared * abs(before) > allowed:
            self.returns += 1
            allowed = self._returning(start_rad, squared, rate, dt_s)
        if squared * (abs(bend) - slack) > allowed:
            self._break("lateral_accel", squared * abs(bend), allowed)

    def _returning(self, start_rad: float, squared: float, rate: float, dt_s: float) -> float:
        """Largest lateral acceleration while speed has made the last angle too large: what is left after the fastest return that other limits allow.

        The frame expresses whole steps: the fastest return is the last one that does not pass the limits of rate and jerk.
        """
        rules, start = self._rules, abs(start_rad)
        after_jerk = math.atan(max(self._curvature(start) - rules.lateral_jerk_mps3 * dt_s / squared, 0.0) * rules.wheelbase_m)
        after_rad = math.ceil(max(after_jerk, start - rate * dt_s) / self._step_rad - 1e-6) * self._step_rad
        return min(max(squared * self._curvature(after_rad), rules.lateral_accel_mps2), LATERAL_ACCEL_CEILING_MPS2)

    def _curvature(self, steer_rad: float) -> float:
        return math.tan(min(max(steer_rad, -1.5), 1.5)) / self._rules.wheelbase_m

    def _judge_accel(self, command: bits.AccelCommand) -> None:
        last, rules = self._accel, self._rules
        now_ns, half = self._frame.time_ns, HALF * bits.ACCEL_STEP_MPS2
        self._accel = now_ns, command
        accel = command.steps * bits.ACCEL_STEP_MPS2
        if command.hold and not (command.request and command.steps <= 0):
            self._break("hold", accel, 0.0)
        if not command.request:
            if command.steps:
                self._break("release_accel", accel, 0.0)
            return
        if not rules.accel_min_mps2 - half <= accel <= rules.accel_max_mps2 + half:
            self._break("accel", accel, rules.accel_max_mps2 if accel > 0.0 else rules.accel_min_mps2)
        if self._may_request(last[0] if last else None, True) and last is not None:
            before = last[1].steps * bits.ACCEL_STEP_MPS2 if last[1].request else 0.0
            allowed = rules.jerk_mps3 * min(now_ns - last[0], MAX_STEP_NS) / 1e9
            if abs(accel - before) > allowed + half:
                self._break("jerk", abs(accel - before), allowed)
            if accel > max(before, 0.0) + half and self._rolls_back():  # a stop may still brake a car that rolls back
                self._break("reverse", accel, 0.0)


@dataclass(frozen=True)
class Judgement:
    """What the judge found in a stream: sent frames, those that request something, frames that break a limit, and how."""

    frames: int
    requests: int
    unsafe: int
    violations: tuple[Violation, ...]

    @property
    def by_limit(self) -> dict[str, int]:
        """Violations per limit."""
        return dict(sorted(Counter(found.limit for found in self.violations).items()))


def judge(stream: Iterable[BusFrame], rules: Rules) -> Judgement:
    """Judges every sent frame of a stream in order of time."""
    court, unsafe, violations = FrameJudge(rules), 0, []
    for frame in stream:
        found = court.take(frame)
        unsafe += bool(found)
        violations += found
    return Judgement(court.frames, court.requests, unsafe, tuple(violations))
