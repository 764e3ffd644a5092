"""The judge reads bytes as cantools does, passes a clean stream and finds each way to bend it."""

from __future__ import annotations

import ast
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import cantools
import pytest

from heron_bringup.actuation import frame_bits, frame_judge
from heron_bringup.actuation.frame_judge import BusFrame, FrameJudge, Rules, judge
from heron_can.car import load_car

DEMO = Path(__file__).parents[1] / "config" / "vehicle" / "demo"
TICK_NS = 10_000_000
STEP_RAD = math.radians(0.02) / 15.0
RULES = Rules.load(DEMO)
DBC = cantools.database.load_file(DEMO / "demo.dbc")
NAMES = {0xA0: "WHEEL_SPEEDS", 0xB0: "VEHICLE_SPEED", 0xC0: "STEERING", 0x1A0: "GEARBOX", 0x2E0: "STEER_CMD", 0x2F0: "ACCEL_CMD"}


def sealed(can_id: int, count: int, **values: float) -> bytes:
    """A payload as cantools packs it, with counter and checksum."""
    message = DBC.get_message_by_name(NAMES[can_id])
    check = "CHECKSUM" if can_id == 0x2F0 else "CRC"
    names = {signal.name for signal in message.signals}
    full = {**dict.fromkeys(names, 0), **values, "COUNTER": count % (16 if can_id == 0x2F0 else 15)}
    blank = message.encode(full, strict=False)
    sum_or_crc = frame_bits.sum_toyota(can_id, blank) if can_id == 0x2F0 else frame_bits.crc_profile_11(frame_bits.DATA_IDS[can_id], blank)
    return bytes(message.encode({**full, check: sum_or_crc}, strict=False))


@dataclass
class Moment:
    """One tick of 100 Hz: what the car says and what Heron asks; angles in steps of 0.02° of the steering wheel, right positive."""

    time_ns: int
    speed: float = 20.0
    measured: int = 0
    steer: int = 0
    accel: float = 0.0
    request: bool = True
    hold: bool = False
    gear: int = 3
    wheels: float | None = None
    count: int = 0
    says: tuple[str, ...] = ("speed", "wheels", "steering", "gear")
    extra: list[BusFrame] = field(default_factory=list)

    def frames(self) -> list[BusFrame]:
        wheels = self.speed if self.wheels is None else self.wheels
        said: dict[str, tuple[int, dict[str, float]]] = {
            "wheels": (0xA0, dict.fromkeys(("WHEEL_FL", "WHEEL_FR", "WHEEL_RL"), min(self.speed, wheels)) | {"WHEEL_RR": wheels}),
            "speed": (0xB0, {"SPEED": self.speed * 3.6}),
            "steering": (0xC0, {"WHEEL_ANGLE": self.measured * 0.02}),
            "gear": (0x1A0, {"GEAR": self.gear}),
        }
        found = [BusFrame(self.time_ns, "vehicle", said[name][0], sealed(said[name][0], self.count, **said[name][1]), False) for name in self.says]
        steer = sealed(0x2E0, self.count, WHEEL_ANGLE_REQUEST=self.steer * 0.02, REQUEST=self.request)
        accel = sealed(0x2F0, self.count, ACCEL_REQUEST=self.accel, REQUEST=self.request, STANDSTILL=self.hold)
        for can_id, data in ((0x2E0, steer), (0x2F0, accel)):
            found.append(BusFrame(self.time_ns, "vehicle", can_id, data, True))
        return found + self.extra


def clean(ticks: int = 60, speed: float = 20.0) -> list[Moment]:
    """Three ticks without a request at the driver's angle, then a gentle turn and a gentle push, up to every limit but not over it."""
    moments = [Moment((i + 1) * TICK_NS, speed, count=i) for i in range(ticks)]
    per_tick = 3.6 * 0.01 / (speed * speed) * 2.8 / STEP_RAD  # of the tangent; the angle grows a little less
    for i, moment in enumerate(moments):
        following = i >= 3
        moment.request = following
        moment.measured = 5 * 5  # 0.1° raster of the sensor
        moment.steer = 25 + math.floor(per_tick * 0.99) * min(max(i - 2, 0), 20)
        moment.accel = round(min(max(i - 2, 0) * 0.04, 2.0), 3) if following else 0.0
    return moments


def found(moments: list[Moment], rules: Rules = RULES) -> dict[str, int]:
    return judge([frame for moment in moments for frame in moment.frames()], rules).by_limit


def test_a_clean_stream_is_clean() -> None:
    for speed in (0.0, 3.0, 20.0, 36.0):
        moments = clean(speed=max(speed, 20.0))
        for moment in moments:
            moment.speed = speed
        verdict = judge([frame for moment in moments for frame in moment.frames()], RULES)
        assert (verdict.by_limit if speed <= 20.0 else {}, verdict.frames, verdict.requests) == ({}, 120, 114)


Bend = Callable[[list[Moment]], None]


def at(index: int, **values: object) -> Bend:
    def bend(moments: list[Moment]) -> None:
        for name, value in values.items():
            setattr(moments[index], name, value)

    return bend


def from_on(index: int, **values: object) -> Bend:
    def bend(moments: list[Moment]) -> None:
        for moment in moments[index:]:
            for name, value in values.items():
                setattr(moment, name, value)

    return bend


def later(index: int, step_ns: int) -> Bend:
    def bend(moments: list[Moment]) -> None:
        for moment in moments[index:]:
            moment.time_ns += step_ns

    return bend


def longer(ticks: int) -> Bend:
    """The last moment goes on."""

    def bend(moments: list[Moment]) -> None:
        for _ in range(ticks):
            last = moments[-1]
            moments.append(replace(last, time_ns=last.time_ns + TICK_NS, count=last.count + 1))

    return bend


def jump(index: int, steps: int) -> Bend:
    """From one tick to the next the angle moves by as many steps; else it stays."""

    def bend(moments: list[Moment]) -> None:
        for i, moment in enumerate(moments[3:], 3):
            moment.steer = 25 + steps * (i >= index)

    return bend


def ramp(name: str, start: float, per_tick: float, end: float) -> Bend:
    def bend(moments: list[Moment]) -> None:
        for i, moment in enumerate(moments[3:]):
            value = min(max(start + per_tick * (i + 1), -abs(end)), abs(end))
            setattr(moment, name, round(value, 3) if name == "accel" else round(value))

    return bend


def chain(*bends: Bend) -> Bend:
    def bend(moments: list[Moment]) -> None:
        for each in bends:
            each(moments)

    return bend


def count_again(moments: list[Moment]) -> None:
    for moment in moments[30:]:
        moment.count += 1


def twice_as_often(moments: list[Moment]) -> None:
    for i, moment in enumerate(moments):
        moment.time_ns = TICK_NS + i * 7_000_000  # 36 in 250 ms; steering and pedals stay as slow per tick
        moment.steer, moment.accel = 25, 0.0


def shut_up(start: int, *names: str) -> Bend:
    def bend(moments: list[Moment]) -> None:
        for moment in moments[start:]:
            moment.says = tuple(name for name in moment.says if name not in names)
            moment.steer, moment.accel = moments[start].steer, moments[start].accel

    return bend


def stranger(can_id: int, bus: str, length: int) -> Bend:
    def bend(moments: list[Moment]) -> None:
        moments[30].extra = [BusFrame(moments[30].time_ns, bus, can_id, bytes(length), True)]

    return bend


def still(moments: list[Moment]) -> None:
    for moment in moments:
        moment.accel, moment.steer = 0.0, 25


LIMIT_STEPS = math.floor(math.atan(0.2 * 2.8) / STEP_RAD)
BENDS: dict[str, tuple[str, float, Bend]] = {
    "id": ("whitelist", 20.0, stranger(0x2E1, "vehicle", 8)),
    "bus": ("whitelist", 20.0, stranger(0x2E0, "other", 8)),
    "length": ("whitelist", 20.0, stranger(0x2E0, "vehicle", 7)),
    "rate": ("rate", 20.0, twice_as_often),
    "counter": ("counter", 20.0, count_again),
    "lateral jerk": ("lateral_jerk", 20.0, ramp("steer", 25, 12, 200)),
    "lateral jerk of a late tick": ("lateral_jerk", 20.0, chain(later(9, 40_000_000), jump(9, 23))),
    "lateral acceleration": ("lateral_accel", 20.0, chain(longer(60), ramp("steer", 25, 10, 905))),
    "lateral acceleration of one wheel": ("lateral_accel", 20.0, chain(longer(60), ramp("steer", 25, 10, 900), from_on(100, wheels=20.4))),
    "curvature": ("curvature", 2.0, chain(longer(60), ramp("steer", 25, 300, LIMIT_STEPS + 2))),
    "steer rate at standstill": ("steer_rate", 0.0, ramp("steer", 25, 345, 9000)),
    "steer rate at 15 m/s": ("steer_rate", 2.0, ramp("steer", 25, 341, 9000)),
    "accel": ("accel", 20.0, ramp("accel", 0.0, 0.04, 2.002)),
    "braking": ("accel", 20.0, chain(longer(60), ramp("accel", 0.0, -0.04, 3.502))),
    "jerk": ("jerk", 20.0, ramp("accel", 0.0, 0.042, 2.0)),
    "jump at engagement": ("lateral_jerk", 20.0, from_on(3, measured=35 + 95)),
    "hold while pushing": ("hold", 20.0, at(40, hold=True)),
    "hold without request": ("hold", 20.0, at(1, hold=True)),
    "release at another angle": ("release_angle", 20.0, at(1, steer=27)),
    "release with an acceleration": ("release_accel", 20.0, at(1, accel=0.1)),
    "silence": ("continuity", 20.0, later(30, 91_000_000)),
    "request out of nothing": ("continuity", 20.0, lambda moments: moments.__delitem__(slice(0, 3))),
    "reverse gear": ("reverse", 20.0, at(59, gear=1)),
    "request while rolling back": ("reverse", 0.0, chain(*(at(i, speed=-1.0) for i in range(4)))),
    "push while rolling back": ("reverse", 0.0, chain(still, at(10, speed=-1.0, accel=0.03))),
    "speed is lost": ("blind", 20.0, chain(longer(110), shut_up(30, "speed", "wheels"))),
    "steering is lost": ("blind", 20.0, chain(longer(110), shut_up(30, "steering"))),
}


@pytest.mark.parametrize("name", BENDS)
def test_each_bend_is_found_and_nothing_else(name: str) -> None:
    limit, speed, bend = BENDS[name]
    moments = clean(speed=max(speed, 20.0))
    for moment in moments:
        moment.speed = speed
    bend(moments)
    assert list(found(moments)) == [limit]


def test_a_wrong_bit_is_found_wherever_it_is() -> None:
    frames = [frame for moment in clean() for frame in moment.frames()]
    sent = [i for i, frame in enumerate(frames) if frame.sent]
    for can_id, bad in ((0x2E0, 0), (0x2F0, 1)):
        for bit in range(64):
            index = sent[bad + 80]
            assert frames[index].id == can_id
            data = bytearray(frames[index].data)
            data[bit // 8] ^= 1 << bit % 8
            bent = [*frames[:index], frames[index]._replace(data=bytes(data)), *frames[index + 1 :]]
            assert "checksum" in judge(bent, RULES).by_limit, f"bit {bit} of {can_id:#x}"


EDGE = 900  # steps that give 2.99 m/s² at 20 m/s


def turned(speed: float, steers: list[int]) -> list[str]:
    """What the judge finds where a car that turns at the limit is suddenly faster."""
    moments = clean()
    chain(longer(60), ramp("steer", 25, 10, EDGE))(moments)
    for moment, steer in zip(moments[-len(steers) :], steers, strict=True):
        moment.speed, moment.steer = speed, steer
    return [name for name, times in found(moments).items() for _ in range(times)]


def test_where_speed_rises_the_angle_returns_at_full_jerk() -> None:
    """21 m/s make 3.30 m/s² of it: allowed only while the angle returns as fast as lateral jerk lets it, 9 steps of 9.82, down to 817."""
    assert turned(21.0, [*range(EDGE - 9, 818, -9), 817, 817]) == []
    assert turned(21.0, [EDGE] * 5) == ["lateral_accel"] * 5
    assert turned(21.0, [EDGE - 8 * (i + 1) for i in range(5)]) == ["lateral_accel"] * 5
    assert turned(21.0, [EDGE + 3]) == ["lateral_accel"]
    assert turned(21.0, [EDGE - 11]) == ["lateral_jerk"]
    assert turned(21.7, [EDGE - 9]) == []
    assert turned(22.5, [EDGE - 8]) == ["lateral_accel"]  # 3.75 m/s²: beyond the ceiling nothing may ask any more


def test_it_shares_nothing_with_what_it_judges() -> None:
    for module in (frame_judge, frame_bits):
        names = set()
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module or "")
        assert {name.split(".")[0] for name in names} <= {
            "__future__",
            "collections",
            "dataclasses",
            "heron_bringup",
            "math",
            "pathlib",
            "typing",
            "yaml",
        }
        assert {name for name in names if name.startswith("heron_")} <= {"heron_bringup.actuation"}


def test_it_decodes_as_cantools_does() -> None:
    rng = random.Random(3)
    for _ in range(500):
        for can_id, name in NAMES.items():
            data = rng.randbytes(8)
            expected = DBC.get_message_by_name(name).decode(data, decode_choices=False)
            assert frame_bits.counter(can_id, data) == expected["COUNTER"]
            if can_id == 0xA0:
                assert frame_bits.wheel_speeds_mps(data) == pytest.approx([expected[f"WHEEL_{end}"] for end in ("FL", "FR", "RL", "RR")])
            elif can_id == 0xB0:
                assert frame_bits.vehicle_speed_mps(data) == pytest.approx(expected["SPEED"] / 3.6)
            elif can_id == 0xC0:
                assert frame_bits.wheel_angle_deg(data) == pytest.approx(expected["WHEEL_ANGLE"])
            elif can_id == 0x1A0:
                assert frame_bits.gear(data) == expected["GEAR"]
            elif can_id == 0x2E0:
                steer = frame_bits.steer_command(data)
                assert steer.steps * frame_bits.STEER_STEP_DEG == pytest.approx(expected["WHEEL_ANGLE_REQUEST"])
                assert steer.request == expected["REQUEST"]
            else:
                accel = frame_bits.accel_command(data)
                assert accel.steps * frame_bits.ACCEL_STEP_MPS2 == pytest.approx(expected["ACCEL_REQUEST"])
                assert (accel.request, accel.hold) == (expected["REQUEST"], expected["STANDSTILL"])


def test_its_checksums_are_those_of_the_standard_and_of_the_car() -> None:
    """Example of AUTOSAR PRS E2EProtocol, profile 11, data id 0x123, 8 bytes of zero: CRC 0xCC; with counter 1: 0x91."""
    assert frame_bits.crc_profile_11(0x123, bytes(8)) == 0xCC
    assert frame_bits.crc_profile_11(0x123, bytes([0, 1, 0, 0, 0, 0, 0, 0])) == 0x91
    car, rng = load_car(DEMO), random.Random(4)
    for can_id, name in NAMES.items():
        protection = car.protections["vehicle", name]
        for count in range(40):
            data = rng.randbytes(8)
            payload = bytearray(data)
            index = 7 if can_id == 0x2F0 else 0
            payload[index] = protection.checksum(bytes(payload))
            assert frame_bits.protected(can_id, bytes(payload)), f"{name} {count}"
            payload[index] ^= 1
            assert not frame_bits.protected(can_id, bytes(payload))


def speed_frame(time_ns: int, count: int, speed: float) -> BusFrame:
    return BusFrame(time_ns, "vehicle", 0xB0, sealed(0xB0, count, SPEED=speed * 3.6), False)


def test_which_speed_it_believes() -> None:
    court = FrameJudge(RULES)

    def speed_at(time_ns: int) -> float | None:
        court.take(BusFrame(time_ns, "other", 1, b"", True))
        return court._speed_now()

    court.take(speed_frame(TICK_NS, 0, 10.0))
    assert speed_at(TICK_NS) == pytest.approx(10.0)
    court.take(speed_frame(2 * TICK_NS, 0, 30.0))  # repeated counter: an old frame
    assert speed_at(2 * TICK_NS) == pytest.approx(10.0)
    broken = speed_frame(2 * TICK_NS, 1, 30.0)
    court.take(broken._replace(data=broken.data[:-1] + b"\x01"))
    assert speed_at(2 * TICK_NS) == pytest.approx(10.0)
    court.take(speed_frame(3 * TICK_NS, 3, 20.0))  # one frame was lost: this one is new
    assert speed_at(3 * TICK_NS + 100_000_000) == pytest.approx(20.0)
    court.take(BusFrame(9 * TICK_NS, "vehicle", 0xA0, sealed(0xA0, 0, WHEEL_FL=3.0, WHEEL_FR=-4.2), False))
    assert speed_at(3 * TICK_NS + 110_000_000) == pytest.approx(4.2)
    assert speed_at(9 * TICK_NS + 1_000_000_000) == pytest.approx(4.2)
    assert speed_at(9 * TICK_NS + 1_110_000_000) is None
