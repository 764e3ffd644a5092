"""The gate with the frames of the demonstration car: counters and checksums are judged too, as a car reads them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from gate_drive import OFF, TICK_NS, Drive, ask

from heron_can.car import load_car
from heron_can.protection import Guard, Verdict
from heron_control.can_codec import CanCodec
from heron_control.codec import RawFrame
from heron_control.command import Command
from heron_control.gate import Gate
from heron_core.canbus import FLAG_EXTENDED
from heron_core.errors import ConfigError
from heron_core.limits import Limits
from heron_core.vehicle_model import VehicleModel

CAR = load_car(Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo")
STEP = math.radians(0.02) / 15.0  # of the road wheel, as demo.dbc says


@pytest.fixture
def codec() -> CanCodec:
    return CanCodec(CAR)


def test_rasters_are_those_of_the_dbc(codec: CanCodec) -> None:
    assert abs(codec.steer_grid.step) == pytest.approx(STEP) and codec.accel_grid.step == pytest.approx(0.001)


@pytest.mark.parametrize("command", [OFF, ask(0.1, -1.5, hold=True), Command(-0.3, 0.0, True, False), Command(0.6, 0.25, False, True)])
@pytest.mark.parametrize("count", [0, 1, 14, 15, 16, 1_000_000])
def test_frames_decode_to_the_command(codec: CanCodec, command: Command, count: int) -> None:
    read = codec.decode(codec.encode(command, count), count)
    assert read is not None
    assert (read.steer_rad, read.accel_mps2) == (pytest.approx(command.steer_rad, abs=STEP / 2), pytest.approx(command.accel_mps2, abs=0.0005))
    assert (read.steer_request, read.accel_request, read.hold) == (command.steer_request, command.accel_request, command.hold)


@pytest.mark.parametrize("which", [0, 1])
def test_every_bit_of_a_frame_matters(codec: CanCodec, which: int) -> None:
    frames = list(codec.encode(ask(0.1, -1.5, hold=True), 7))
    for bit in range(64):
        data = bytearray(frames[which].data)
        data[bit // 8] ^= 1 << bit % 8
        changed = [RawFrame(frame.bus, frame.id, bytes(data)) if number == which else frame for number, frame in enumerate(frames)]
        assert codec.decode(changed, 7) is None


def test_a_wrong_counter_is_not_what_was_meant(codec: CanCodec) -> None:
    frames, others = codec.encode(ask(), 7), codec.encode(ask(), 8)
    assert codec.decode(frames, 6) is None and codec.decode(frames, 8) is None
    assert codec.decode([frames[0], others[1]], 7) is None and codec.decode([others[0], frames[1]], 7) is None


def test_a_missing_a_double_and_a_foreign_frame_are_refused(codec: CanCodec) -> None:
    steer, accel = codec.encode(ask(), 0)
    assert codec.decode([accel, steer], 0) is not None
    for frames in ([], [steer], [accel], [steer, steer], [steer, accel, accel], [steer, dataclasses.replace(accel, id=0x123)]):
        assert codec.decode(frames, 0) is None
    assert codec.decode([steer, dataclasses.replace(accel, data=accel.data[:7])], 0) is None


def test_frames_without_protection_carry_no_counter() -> None:
    bare = {name: dataclasses.replace(command, protection=None) for name, command in CAR.commands.items()}
    codec = CanCodec(dataclasses.replace(CAR, commands=bare))
    assert codec.decode(codec.encode(ask(), 1), 1) is not None and codec.decode(codec.encode(ask(), 6), 7) is not None


@pytest.mark.parametrize("name", ["steer", "accel"])
def test_control_needs_both_commands(name: str) -> None:
    with pytest.raises(ConfigError, match=f"commands: {name} missing"):
        CanCodec(dataclasses.replace(CAR, commands={other: command for other, command in CAR.commands.items() if other != name}))


def test_values_beyond_the_dbc_raise(codec: CanCodec) -> None:
    with pytest.raises(ValueError, match="allowed"):
        codec.encode(ask(0.7), 0)


def test_extended_ids_are_marked(codec: CanCodec) -> None:
    frame = codec.encode(ask(), 0)[0]
    assert codec.frame(frame, 5).flags == 0 and codec.frame(frame, 5).stamp_ns == 5
    codec._extended[frame.bus, frame.id] = True
    assert codec.frame(frame, 5).flags == FLAG_EXTENDED
    assert codec.buses == {"vehicle"}


def test_a_car_trusts_every_frame_of_a_drive_with_faults_in_it(codec: CanCodec, limits: Limits, model: VehicleModel) -> None:
    written: list[RawFrame] = []

    def write(frame: RawFrame, now_ns: int) -> bool:
        written.append(frame)
        return True

    drive = Drive(Gate(limits, model, codec, write), 15.0, 0.01)
    drive.off()
    for number in range(200):
        odd = number % 17 == 5
        verdict = drive.tick(ask(math.nan if odd else 0.01 * math.sin(number / 20), 0.02 * (number % 9)))
        assert verdict.sent is not None and verdict.ladder is odd
    drive.gate.close(drive.now_ns + TICK_NS)
    for name in ("steer", "accel"):
        command = CAR.commands[name]
        assert command.protection is not None
        guard = Guard(command.protection)
        frames = [frame for frame in written if frame.id == command.message.id]
        assert [guard.check(frame.data) for frame in frames] == [Verdict.OK] * 202


@pytest.mark.parametrize("angle", [0.6, -0.6, 0.5999])
def test_the_lock_of_the_car_fits_its_frames(codec: CanCodec, limits: Limits, model: VehicleModel, angle: float) -> None:
    verdict = Drive(Gate(limits, model, codec, lambda frame, now_ns: True), 0.0, angle).off()
    assert verdict.sent is not None and abs(verdict.sent.steer_rad) <= 0.6 and verdict.sent.steer_rad == pytest.approx(angle, abs=STEP)
