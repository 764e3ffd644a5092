"""Fields of many messages at once are those that decoding each of them gives."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_bag.columns import columns
from heron_bag.errors import BagError
from heron_bag.reader import open_bag
from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_core.signals import ControlStatus, Engagement, ImuSample, Instruction, Ladder
from heron_core.truth import Actor, ActorKind, EgoTruth, Truth
from heron_core.vehicle import Signal, VehicleState

S = 1_000_000_000


def recorded(path, topic, messages):
    with BagWriter(path) as writer:
        for log_ns, message in enumerate(messages, 1):
            writer.add_topic(topic, ros_type_of(message))
            writer.write(topic, log_ns, serialise(message))
    return open_bag(path)


def test_numbers_and_stamps(tmp_path):
    samples = [ImuSample(5 * S + 7 * k, 0.1 * k, -k, math.nan if k == 3 else k, 1e-9 * k, 2.0, 9.81) for k in range(20)]
    with recorded(tmp_path / "imu", "/imu", samples) as bag:
        found = columns(bag, "/imu", ["header.stamp", "angular_velocity.x", "angular_velocity.z", "linear_acceleration.z"])
    assert found["header.stamp"].tolist() == [each.stamp_ns for each in samples]
    assert found["header.stamp"].dtype == np.int64
    assert np.array_equal(found["angular_velocity.z"], [each.rate_z for each in samples], equal_nan=True)
    assert np.array_equal(found["angular_velocity.x"], [each.rate_x for each in samples])
    assert set(found["linear_acceleration.z"]) == {9.81}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["", "a", "brake", "Grüße", "doors open"]), st.sampled_from(list(Engagement))), min_size=1, max_size=12))
def test_texts_of_any_length_move_what_follows(tmp_path_factory, told):
    statuses = [
        ControlStatus(k, engagement, reason, bool(k % 2), -1 - k, 0.01 * k, 1.5, k, 2 * k, ladder=Ladder.WARN, cross_track_m=-0.5 * k)
        for k, (reason, engagement) in enumerate(told)
    ]
    with recorded(tmp_path_factory.mktemp("status") / "bag", "/control/status", statuses) as bag:
        names = ["engagement", "reason", "plan_valid", "plan_age_ns", "steer_rad", "gate_rejected", "ladder", "cross_track_m"]
        found = columns(bag, "/control/status", names)
    for name in names:
        wanted = [getattr(each, name) for each in statuses]
        assert found[name].tolist() == [each.value if name in ("engagement", "ladder") else each for each in wanted], name


def test_nested_messages_and_flags(tmp_path):
    states = [VehicleState(k, {"speed": Signal(k / 3, 2 * k, k % 2 == 0), "brake": Signal(0.25, 1, True)}) for k in range(9)]
    with recorded(tmp_path / "state", "/vehicle/state", states) as bag:
        found = columns(bag, "/vehicle/state", ["speed.value", "speed.valid", "speed.age_ns", "gear.valid", "brake.value"])
    assert found["speed.value"].tolist() == [k / 3 for k in range(9)]
    assert found["speed.valid"].tolist() == [True, False] * 4 + [True]
    assert found["speed.age_ns"].tolist() == [2 * k for k in range(9)]
    assert not found["gear.valid"].any()


def test_fields_before_a_list_are_read_and_those_behind_refused(tmp_path):
    actor = Actor(1, ActorKind.CAR, 1.0, 2.0, 0.0, 0.0, 4.0, 1.8, 1.5)
    truths = [Truth(k, EgoTruth(float(k), -k, 0.1, 5.0), (actor,) * (k % 3), {}, k) for k in range(7)]
    with recorded(tmp_path / "truth", "/sim/truth", truths) as bag:
        found = columns(bag, "/sim/truth", ["header.stamp", "ego.x_m", "ego.y_m"])
        assert found["ego.x_m"].tolist() == [float(k) for k in range(7)]
        assert found["ego.y_m"].tolist() == [-float(k) for k in range(7)]
        with pytest.raises(BagError, match="no plain field lamps"):
            columns(bag, "/sim/truth", ["lamps"])
        with pytest.raises(BagError, match="no topic /nothing"):
            columns(bag, "/nothing", ["lamps"])


def test_a_message_that_ends_too_soon_is_refused(tmp_path):
    with BagWriter(tmp_path / "short") as writer:
        writer.add_topic("/instruction", ros_type_of(Instruction(1)))
        writer.write("/instruction", 1, bytes(serialise(Instruction(1, "left", "turn left")))[:40])
    with open_bag(tmp_path / "short") as bag, pytest.raises(BagError, match="ends"):
        columns(bag, "/instruction", ["manoeuvre", "text"])
