"""Raw bytes of the demonstration car's bus read a second time, so that a judge shares no line with the code that wrote them.

Bit positions and factors are written off `demo.dbc` by hand, data ids off `can.yaml`; a test compares every signal with cantools.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

WHEEL_SPEEDS, VEHICLE_SPEED, STEERING, GEARBOX, STEER_CMD, ACCEL_CMD = 0x0A0, 0x0B0, 0x0C0, 0x1A0, 0x2E0, 0x2F0
DATA_IDS = {WHEEL_SPEEDS: 0x1A0, VEHICLE_SPEED: 0x1B0, STEERING: 0x1C0, GEARBOX: 0x2A0, STEER_CMD: 0x3E0}
LENGTH = 8  # of each of these messages
GEAR_REVERSE = 1
STEER_STEP_DEG = 0.02  # of the steering wheel, one bit of STEER_CMD
ACCEL_STEP_MPS2 = 0.001  # one bit of ACCEL_CMD
KMH = 1.0 / 3.6


def _crc_after(byte: int) -> int:
    for _ in range(8):
        byte = byte << 1 ^ (0x11D if byte & 0x80 else 0)
    return byte & 0xFF


_AFTER = bytes(_crc_after(byte) for byte in range(256))


def crc_profile_11(data_id: int, payload: bytes) -> int:
    """CRC-8 (polynomial 0x1D) over the data id, low byte first, and the payload behind its first byte, which carries the CRC."""
    crc = _AFTER[_AFTER[data_id & 0xFF] ^ data_id >> 8]
    for byte in payload[1:]:
        crc = _AFTER[crc ^ byte]
    return crc


def sum_toyota(can_id: int, payload: bytes) -> int:
    """Low byte of id, id >> 8, length and all bytes but the last, which carries the sum."""
    return (can_id % 256 + can_id // 256 + len(payload) + sum(payload[:-1])) % 256


def protected(can_id: int, payload: bytes) -> bool:
    """The frame carries the checksum that belongs to it."""
    if can_id == ACCEL_CMD:
        return payload[7] == sum_toyota(can_id, payload)
    return payload[0] == crc_profile_11(DATA_IDS[can_id], payload)


def counter(can_id: int, payload: bytes) -> int:
    """The counter as sent."""
    return payload[6] % 16 if can_id == ACCEL_CMD else payload[1] % 16


def counter_modulus(can_id: int) -> int:
    """How many values the counter goes through."""
    return 16 if can_id == ACCEL_CMD else 15


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >= 1 << bits - 1 else value


def wheel_speeds_mps(payload: bytes) -> tuple[float, float, float, float]:
    """Front left, front right, rear left, rear right; forward positive."""
    a, b, c, d, e, f = payload[2:]
    return (
        _signed(a | (b & 15) << 8, 12) * 0.03,
        _signed(b >> 4 | c << 4, 12) * 0.03,
        _signed(d | (e & 15) << 8, 12) * 0.03,
        _signed(e >> 4 | f << 4, 12) * 0.03,
    )


def vehicle_speed_mps(payload: bytes) -> float:
    """Forward positive."""
    return _signed(payload[2] | payload[3] << 8, 16) * 0.01 * KMH


def wheel_angle_deg(payload: bytes) -> float:
    """Measured steering-wheel angle, right positive."""
    return _signed(payload[2] | payload[3] << 8, 16) * 0.1


def gear(payload: bytes) -> int:
    """0 P, 1 R, 2 N, 3 D."""
    return payload[2] & 7


@dataclass(frozen=True, slots=True)
class SteerCommand:
    """STEER_CMD: steering-wheel angle in steps of `STEER_STEP_DEG`, right positive, and the request bit."""

    steps: int
    request: bool


@dataclass(frozen=True, slots=True)
class AccelCommand:
    """ACCEL_CMD: acceleration in steps of `ACCEL_STEP_MPS2`, the request bit, and the bit that holds the car once it stands."""

    steps: int
    request: bool
    hold: bool


def steer_command(payload: bytes) -> SteerCommand:
    """What STEER_CMD says."""
    return SteerCommand(_signed(payload[2] | payload[3] << 8, 16), bool(payload[1] & 0x10))


def accel_command(payload: bytes) -> AccelCommand:
    """What ACCEL_CMD says; its value is stored high byte first."""
    return AccelCommand(_signed(payload[0] << 8 | payload[1], 16), bool(payload[2] & 0x80), bool(payload[2] & 0x40))


WRONG_COUNTERS = 5  # opendbc safety: from here a message is not believed until as many right ones have come


@dataclass(slots=True)
class Ear:
    """One received message: what it last said, when, whether it may be believed, and when it last could.

    A wrong checksum or a repeated counter says nothing; a skipped counter is new data with one wrong counter more.
    """

    can_id: int
    values: tuple[float, ...] = ()
    time_ns: int = 0
    believed_ns: int = -1 << 62
    trusted: bool = True
    _last: int = field(default=-1)
    _wrong: int = field(default=0)

    def hear(self, time_ns: int, payload: bytes, values: tuple[float, ...]) -> None:
        """Takes one frame of right length and checksum that decodes to `values`."""
        count, modulus = counter(self.can_id, payload), counter_modulus(self.can_id)
        last = self._last
        if count >= modulus:
            self._count(False)
            return
        self._last = count
        self._count(last < 0 or count == (last + 1) % modulus)
        if count != last and all(math.isfinite(value) for value in values):
            self.values, self.time_ns = values, time_ns
            self.believed_ns = time_ns if self.trusted else self.believed_ns

    def _count(self, right: bool) -> None:
        self._wrong = max(self._wrong - 1, 0) if right else min(self._wrong + 1, WRONG_COUNTERS)
        if self._wrong in (0, WRONG_COUNTERS):
            self.trusted = not self._wrong

    def heard(self, time_ns: int, within_ns: int) -> bool:
        """It is believed and said something at most `within_ns` before `time_ns`."""
        return bool(self.values) and self.trusted and time_ns - self.time_ns <= within_ns
