"""One message, two ways to its bytes: heron_runtime.convert through ROS, and heron_bag.serialise without it, must agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from heron_bag.serialise import canonical, ros_type_of, serialise
from heron_core.arrays import read_only
from heron_core.camera import Lens, LensModel
from heron_core.canbus import FLAG_TX, CanBatch
from heron_core.frames import CameraFrame, FrameSet
from heron_core.rig import CameraInfo, StaticTransform, StaticTransforms
from heron_core.se3 import SE3
from heron_core.signals import ControlStatus, Engagement, Event, Explanation, FixType, GnssFix, Health, ImuSample, Instruction, Ladder
from heron_core.stages import Stages
from heron_core.trajectory import POINTS, Trajectory
from heron_core.truth import Actor, ActorKind, EgoTruth, GuideSign, Lamp, Truth
from heron_core.vehicle import Odometry, Signal, VehicleState
from heron_runtime.topics import TOPICS, topic_row

NOW_NS = 1_700_000_000_123_456_789


def bytes_of(n: int) -> Any:
    return read_only(np.arange(n, dtype=np.uint8))


def messages() -> dict[str, Any]:
    """One message per row of the topic table."""
    lens = Lens(LensModel.EQUIDISTANT, 64, 48, 20.0, 21.0, 31.5, 23.5, (0.01, -0.002, 0.0003, 0.0))
    pose = SE3.from_rpy(0.1, -0.2, 0.3, (1.0, 2.0, 3.0))
    stages = Stages(NOW_NS, NOW_NS + 1, NOW_NS + 2)
    points = np.linspace(0, 1, POINTS * 4, dtype=np.float32).reshape(POINTS, 4)
    images = read_only(np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5))
    batch = CanBatch(
        "vehicle",
        read_only(np.array([NOW_NS, NOW_NS + 5], np.int64)),
        read_only(np.array([0x123, 0x7E8], np.uint32)),
        read_only(np.array([0, FLAG_TX], np.uint8)),
        read_only(np.array([8, 3], np.uint8)),
        bytes_of(11),
    )
    return {
        "/camera/front/image/compressed": CameraFrame("CAM_FRONT", NOW_NS, NOW_NS, "jpeg", bytes_of(13)),
        "/camera/front/video": CameraFrame("CAM_FRONT", NOW_NS, NOW_NS, "h264", bytes_of(13)),
        "/camera/front/image": CameraFrame("CAM_FRONT", NOW_NS, NOW_NS, "bgr8", read_only(np.arange(36, dtype=np.uint8).reshape(3, 4, 3))),
        "/camera/front/camera_info": CameraInfo("CAM_FRONT", "camera_front_optical", lens, NOW_NS),
        "/tf_static": StaticTransforms((StaticTransform("base_link", "camera_front_optical", pose),), NOW_NS),
        "/frames": FrameSet(NOW_NS, "d", ("CAM_FRONT", "CAM_BACK"), (NOW_NS, 0), (True, False), {"images": images}, {}, stages),
        "/can/tap": batch,
        "/vehicle/state": VehicleState(NOW_NS, {"speed": Signal(3.5, 12, True)}),
        "/odom": Odometry(NOW_NS, 1.0, -2.0, 0.7, 3.0, 0.1, valid=False),
        "/imu": ImuSample(NOW_NS, 0.1, 0.2, 0.3, 0.4, 0.5, 9.8),
        "/gnss/fix": GnssFix(NOW_NS, 55.1, 9.9, 12.0, FixType.RTK_FIXED, 0.02),
        "/instruction": Instruction(NOW_NS, "left", "次の交差点を左"),
        "/plan/explanation": Explanation(NOW_NS, "slow_red", "slowing for the red light", "赤信号なので減速します"),
        "/sim/truth": Truth(
            125,
            EgoTruth(1.0, -2.0, 0.5, 3.0, engaged=True, route_s_m=12.5),
            (
                Actor(7, ActorKind.PEDESTRIAN, 1.5, 2.5, -3.0, 1.25, 0.5, 0.6, 1.75, stride_m=4.5, look=9),
                Actor(8, ActorKind.GUIDE, 1.5, 2.5, -3.0, 0.0, 0.5, 0.6, 1.75, brake=True, indicator=-1, sign=GuideSign.STOP, lane=3, lane_s_m=1.5),
            ),
            {3: Lamp.GREEN, 1: Lamp.RED, 2: Lamp.YELLOW},
            NOW_NS,
        ),
        "/plan/trajectory": Trajectory.make(NOW_NS, points, 7, "abc", stages),
        "/control/status": ControlStatus(
            NOW_NS, Engagement.SHADOW, "why", True, 5, 0.1, -0.5, 3, 4, stages, Ladder.WARN, True, False, True, 0.25, -0.125
        ),
        "/events": Event(NOW_NS, "camera", "frames", "CAM_BACK is missing", "camera_missing"),
        "/diagnostics": Health(NOW_NS, "/can", 2, "bus vehicle is off", (("rx", "7"), ("tx", "0"))),
        "/clock": NOW_NS,
    }


def test_every_topic_has_an_example() -> None:
    assert {topic_row(name).pattern for name in messages()} == {row.pattern for row in TOPICS}


@pytest.mark.parametrize("topic", list(messages()))
def test_both_ways_give_the_same_bytes(topic: str) -> None:
    from rclpy.serialization import serialize_message

    message, row = messages()[topic], topic_row(topic)
    assert ros_type_of(message) == row.ros_type
    through_ros = serialize_message(row.to_ros()(message))
    assert bytes(canonical(row.ros_type, through_ros)) == bytes(serialise(message))


def test_transforms_survive_to_the_last_digit_but_one() -> None:
    from rclpy.serialization import deserialize_message

    message, row = messages()["/tf_static"], topic_row("/tf_static")
    back = row.from_ros()(deserialize_message(bytes(serialise(message)), row.ros_class()), "/tf_static", NOW_NS)
    assert back.transforms[0].pose.angle_to(message.transforms[0].pose) < 1e-9
    assert back.transforms[0].child == "camera_front_optical" and back.stamp_ns == NOW_NS


@pytest.mark.parametrize("topic", [topic for topic in messages() if topic != "/tf_static"])  # a quaternion is a matrix but for rounding
def test_the_round_trip_loses_nothing(topic: str) -> None:
    from rclpy.serialization import deserialize_message

    message, row = messages()[topic], topic_row(topic)
    (back,) = row.arrivals()(deserialize_message(bytes(serialise(message)), row.ros_class()), topic, NOW_NS)
    assert bytes(serialise(back)) == bytes(serialise(message))


def test_float_values_survive() -> None:
    from rclpy.serialization import deserialize_message

    row = topic_row("/vehicle/state")
    back = row.from_ros()(deserialize_message(bytes(serialise(messages()["/vehicle/state"])), row.ros_class()), "/vehicle/state", NOW_NS)
    assert back["speed"] == Signal(3.5, 12, True)
    assert math.isnan(back["steer"].value) and not back["steer"].valid


def test_plans_and_states_are_read_back_from_a_recording(tmp_path: Any) -> None:
    from heron_bag.native import control_statuses, explanations, plans, truths, vehicle_states
    from heron_bag.reader import open_bag
    from heron_bag.writer import BagWriter

    sent = {topic: messages()[topic] for topic in ("/plan/trajectory", "/plan/explanation", "/vehicle/state", "/control/status", "/sim/truth")}
    with BagWriter(tmp_path / "bag") as writer:
        for topic, message in sent.items():
            writer.add_topic(topic, ros_type_of(message))
            writer.write(topic, NOW_NS, serialise(message))
    with open_bag(tmp_path / "bag") as bag:
        (_, plan), (_, state) = next(iter(plans(bag))), next(iter(vehicle_states(bag)))
        assert plan.fault() is None and plan.stages == sent["/plan/trajectory"].stages
        assert (plan.points == sent["/plan/trajectory"].points).all()
        assert state["speed"] == Signal(3.5, 12, True)
        assert [status for _, status in control_statuses(bag)] == [sent["/control/status"]]
        assert [explanation for _, explanation in explanations(bag)] == [sent["/plan/explanation"]]
        assert [truth for _, truth in truths(bag)] == [sent["/sim/truth"]]


def test_colour_filter_arrays_go_through_cv_bridge() -> None:
    from cv_bridge import CvBridge

    row = topic_row("/camera/front/image")
    mosaic = np.random.default_rng(0).integers(0, 255, (6, 8), dtype=np.uint8)
    message = CvBridge().cv2_to_imgmsg(mosaic, "bayer_rggb8")
    frame = row.from_ros()(message, "/camera/front/image", NOW_NS)
    assert (frame.encoding, frame.data.shape, frame.data.flags.writeable) == ("bgr8", (6, 8, 3), False)
    message.encoding = "32FC1"
    with pytest.raises(ValueError, match="image encoding '32FC1'"):
        row.from_ros()(message, "/camera/front/image", NOW_NS)
