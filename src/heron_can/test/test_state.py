"""Frames of the demonstration car's control units → state: values, ages, timeouts, counters, checksums."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_can.ecu import CarEcus
from heron_can.frame import Frame, from_batch, to_batch
from heron_can.state import VehicleStateAssembler
from heron_core.canbus import FLAG_ERROR, FLAG_REMOTE, FLAG_TX
from heron_core.signals import FixType
from heron_core.vehicle import NEVER_NS, SIGNALS

MS = 1_000_000
MAPPED = set(SIGNALS) - {"driving_mode"}  # which control says
T0 = 1_700_000_000_000_000_000
VALUES = {
    "state.speed": 12.5, "state.steer": 0.1, "state.steer_rate": -0.05, "state.yaw_rate": 0.2, "state.accel_x": -1.5, "state.accel_y": 0.75,
    "state.wheel_fl": 12.0, "state.wheel_fr": 12.9, "state.wheel_rl": 12.3, "state.wheel_rr": 12.6, "state.throttle": 0.25, "state.brake": 0.5,
    "state.brake_pressed": 1.0, "state.driver_torque": -1.25, "state.gear": 1.0, "state.indicator": -1.0, "state.door_open": 0.0,
    "state.belt_fastened": 1.0, "state.eps_fault": 0.0, "state.engage_button": 1.0, "state.cancel_button": 0.0,
    "gnss.latitude_deg": 55.676098, "gnss.longitude_deg": 12.568337, "gnss.altitude_m": 14.3, "gnss.horizontal_std_m": 0.02, "gnss.fix": 4.0,
}  # fmt: skip


def _drive(demo, ticks=20, values=VALUES):
    """(state assembler, control units, time of the last tick)."""
    assembler, ecus = VehicleStateAssembler(demo), CarEcus(demo, T0)
    now = T0
    for tick in range(ticks):
        now = T0 + tick * 10 * MS
        assembler.ingest("vehicle", [frame for _, frame in ecus.frames(now, values)])
    return assembler, ecus, now


def _frames(demo, message, n, values=VALUES):
    """The first `n` frames of one message."""
    ecus, id_ = CarEcus(demo, T0), demo.messages["vehicle", message].id
    return [frame for _, frame in ecus.frames(T0 + 10_000 * MS, values) if frame.id == id_][:n]


def test_all_signals_arrive(demo):
    assembler, _, now = _drive(demo)
    state = assembler.state(now + 3 * MS)
    assert set(state.signals) == MAPPED
    for name in MAPPED:
        source = demo.sources[f"state.{name}"][0]
        step = 0.0 if source.values else abs(source.signal.scale * source.scale) / 2
        assert state[name].value == pytest.approx(VALUES[f"state.{name}"], abs=step + 1e-12), name
        assert state[name].valid
        assert state[name].age_ns in (3 * MS, 13 * MS, 93 * MS), name
    assert not assembler.decoder.counts


def test_a_sensor_saturates(demo):
    assembler, _, now = _drive(demo, values=VALUES | {"state.accel_y": 40.0, "state.yaw_rate": -90.0})
    state = assembler.state(now)
    assert state["accel_y"].value == pytest.approx(32.767)
    assert -90.0 < state["yaw_rate"].value < -1.0
    with pytest.raises(ValueError, match="must be finite"):
        _drive(demo, values=VALUES | {"state.accel_y": math.nan})


def test_nothing_received_is_absent(demo):
    signal = VehicleStateAssembler(demo).state(T0)["speed"]
    assert math.isnan(signal.value) and signal.age_ns == NEVER_NS and not signal.valid


def test_silence_invalidates_each_signal_at_its_timeout(demo):
    assembler, _, _ = _drive(demo)
    for name in MAPPED:
        source, sample, _ = assembler.decoder.chains[f"state.{name}"][0]
        assert assembler.state(sample.stamp_ns + source.timeout_ns)[name].valid
        late = assembler.state(sample.stamp_ns + source.timeout_ns + 1)[name]
        assert not late.valid and late.value == sample.value and late.age_ns == source.timeout_ns + 1


def test_wrong_checksum_is_ignored_and_counted(demo):
    first, second = _frames(demo, "VEHICLE_SPEED", 2)
    assembler = VehicleStateAssembler(demo)
    broken = second._replace(data=second.data[:2] + b"\xff" + second.data[3:])
    assembler.ingest("vehicle", [first, broken])
    assert assembler.decoder.counts == {"checksum_error VEHICLE_SPEED": 1}
    assert assembler.decoder.chains["state.speed"][0][1].stamp_ns == first.stamp_ns
    assert assembler.state(first.stamp_ns + 100 * MS)["speed"].valid
    assert not assembler.state(second.stamp_ns + 95 * MS)["speed"].valid  # only bad frames: it ages


@pytest.mark.parametrize("message", ["VEHICLE_SPEED", "PEDALS"])  # profile 11, Toyota style
def test_every_single_bit_error_is_seen(demo, message):
    for bit in range(64):
        (frame,) = _frames(demo, message, 1)
        data = bytearray(frame.data)
        data[bit // 8] ^= 1 << bit % 8
        assembler = VehicleStateAssembler(demo)
        assembler.ingest("vehicle", [frame._replace(data=bytes(data))])
        assert assembler.decoder.counts == {f"checksum_error {message}": 1}


def test_repeated_counters_bring_no_new_data_and_cost_the_trust(demo):
    frames = _frames(demo, "VEHICLE_SPEED", 40)
    assembler = VehicleStateAssembler(demo)
    assembler.ingest("vehicle", frames[:1])
    stuck = [frames[0]._replace(stamp_ns=frame.stamp_ns) for frame in frames[1:5]]
    assembler.ingest("vehicle", stuck)
    state = assembler.state(frames[4].stamp_ns)
    assert state["speed"].valid and state["speed"].age_ns == 40 * MS  # four wrong: old, still trusted
    assembler.ingest("vehicle", [frames[0]._replace(stamp_ns=frames[5].stamp_ns)])
    assert not assembler.state(frames[5].stamp_ns)["speed"].valid  # the fifth
    assert assembler.decoder.counts == {"counter_error_repeated VEHICLE_SPEED": 5}
    assembler.ingest("vehicle", frames[1:5])
    assert not assembler.state(frames[5].stamp_ns)["speed"].valid  # four right ones take back four
    assembler.ingest("vehicle", frames[5:6])
    assert assembler.state(frames[5].stamp_ns)["speed"].valid


def test_skipped_counters_bring_new_data_and_cost_the_trust(demo):
    frames = _frames(demo, "VEHICLE_SPEED", 40)[::3]
    assembler = VehicleStateAssembler(demo)
    for n, frame in enumerate(frames[:8]):
        assembler.ingest("vehicle", [frame])
        speed = assembler.state(frame.stamp_ns)["speed"]
        assert speed.age_ns == 0 and speed.valid is (n < 5)
    assert assembler.decoder.counts == {"counter_error_skipped VEHICLE_SPEED": 7}


def test_one_lost_frame_now_and_then_is_no_reason_to_distrust(demo):
    frames = _frames(demo, "VEHICLE_SPEED", 200)
    assembler = VehicleStateAssembler(demo)
    assembler.ingest("vehicle", [frame for n, frame in enumerate(frames) if n % 10])
    assert assembler.state(frames[-1].stamp_ns)["speed"].valid


def test_counter_15_is_never_right(demo):
    protection = demo.protections["vehicle", "VEHICLE_SPEED"]
    data = bytearray(protection.seal(demo.messages["vehicle", "VEHICLE_SPEED"].encode({"SPEED": 10.0}), 0))
    data[1] |= 15
    data[0] = protection.checksum(bytes(data))
    assembler = VehicleStateAssembler(demo)
    assembler.ingest("vehicle", [Frame(T0, 0xB0, bytes(data))])
    assert assembler.decoder.counts == {"counter_error VEHICLE_SPEED": 1}
    assert not assembler.state(T0)["speed"].valid


def test_short_frames_own_frames_and_error_frames_change_nothing(demo):
    (frame,) = _frames(demo, "VEHICLE_SPEED", 1)
    assembler = VehicleStateAssembler(demo)
    assembler.ingest("vehicle", [frame._replace(flags=flag) for flag in (FLAG_TX, FLAG_ERROR, FLAG_REMOTE)] + [frame._replace(data=frame.data[:7])])
    assert assembler.state(T0)["speed"].age_ns == NEVER_NS
    assert assembler.decoder.counts == {"length_error VEHICLE_SPEED": 1}


def test_undefined_enumeration_is_counted_not_guessed(demo):
    protection, codec = demo.protections["vehicle", "GEARBOX"], demo.messages["vehicle", "GEARBOX"]
    data = bytearray(codec.length)
    data[2] = 6
    assembler = VehicleStateAssembler(demo)
    assembler.ingest("vehicle", [Frame(T0, codec.id, protection.seal(data, 0))])
    assert assembler.decoder.counts == {"undefined_value GEARBOX.GEAR": 1}
    assert not assembler.state(T0)["gear"].valid


def test_future_stamp_and_clock_steps(demo):
    (frame,) = _frames(demo, "VEHICLE_SPEED", 1)
    assembler = VehicleStateAssembler(demo)
    assembler.ingest("vehicle", [frame], arrival_ns=5000 * MS)
    assert assembler.state(T0 - 20 * MS, 5000 * MS)["speed"].valid
    assert not assembler.state(T0 - 21 * MS, 5000 * MS)["speed"].valid
    stepped_back = assembler.state(T0, 5500 * MS)["speed"]  # half a second passed, the wall clock does not show it
    assert stepped_back.age_ns == 500 * MS and not stepped_back.valid


def test_imu_and_gnss_come_once_per_news(demo):
    assembler, _, now = _drive(demo, ticks=11)
    fix = assembler.gnss(now)
    assert fix is not None and fix.fix is FixType.RTK_FIXED and fix.stamp_ns == now
    assert fix.latitude_deg == pytest.approx(55.676098, abs=1e-7) and fix.altitude_m == pytest.approx(14.3, abs=0.005)
    assert assembler.gnss(now) is None
    imu = assembler.imu(now)
    assert imu is not None and imu.rate_z == pytest.approx(0.2, abs=1e-4) and math.isnan(imu.accel_z)
    assert assembler.imu(now) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=40), st.lists(st.integers(0, 300), max_size=20))
def test_same_frames_same_states_however_they_are_cut(demo, cuts, drops):
    frames = [frame for _, frame in CarEcus(demo, T0).frames(T0 + 400 * MS, VALUES)]
    frames = [frame for n, frame in enumerate(frames) if n not in set(drops)]
    whole, pieces = VehicleStateAssembler(demo), VehicleStateAssembler(demo)
    whole.ingest("vehicle", from_batch(to_batch("vehicle", frames)))
    position = 0
    for cut in itertools.chain(cuts, [len(frames)]):
        pieces.ingest("vehicle", frames[position : position + cut])
        position += cut
    assert repr(whole.state(T0 + 400 * MS)) == repr(pieces.state(T0 + 400 * MS))
    assert whole.decoder.counts == pieces.decoder.counts
