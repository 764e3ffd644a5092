"""Heron among plain ROS 2 nodes: what it says reaches them, and what they publish reaches it."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from cv_bridge import CvBridge
from drives import component, container, kinematic
from outside import BEST_EFFORT, Outside
from recordings import CAMERAS, FRAMES
from sensor_msgs.msg import CompressedImage, Image

from heron_bag.reader import open_bag

pytestmark = pytest.mark.alone

BLUE_BGR = (200, 90, 30)


def test_plans_reach_a_plain_node_whole(observed: Any) -> None:
    received = observed.seen["/plan/trajectory"]
    assert len(received) >= FRAMES // 2
    for plan in received:
        points = np.stack([plan.x, plan.y, plan.yaw, plan.speed], axis=1).astype("<f4")
        stamp_ns = plan.header.stamp.sec * 10**9 + plan.header.stamp.nanosec
        assert points.shape == (40, 4) and plan.point_count == 40 and plan.header.frame_id == "base_link"
        assert plan.crc == zlib.crc32(struct.pack("<qIH", stamp_ns, plan.sequence, 40) + points.tobytes())
        assert 10.0 < points[-1, 0] < 60.0, "four seconds at 5 to 12 m/s"
    assert [plan.sequence for plan in received] == sorted({plan.sequence for plan in received}), "none twice, none out of order"


def test_status_diagnostics_and_events_reach_a_plain_node(observed: Any) -> None:
    seen = observed.seen
    assert len(seen["/control/status"]) > 20
    assert any(status.plan_valid and status.steer_rad != 0.0 for status in seen["/control/status"])
    named = {status.name for message in seen["/diagnostics"] for status in message.status}
    for part in ("camera", "frames", "policy", "can", "control", "perception", "actuation"):
        assert any(part in name for name in named), f"{part} says nothing on /diagnostics: {named}"
    with open_bag(observed.out / "bag") as bag:  # whether cameras were silent for long before their first frame depends on the machine
        told = {bag.decode(ros_type, raw).kind for _, ros_type, _, raw in bag.messages(["/events"])}
    assert "can" in told, "a bus ends half a second before the run does"
    assert told <= {event.kind for event in seen["/events"]}


def test_the_rig_is_in_the_latched_transforms(observed: Any, car: Path) -> None:
    (message, *_) = observed.seen["/tf_static"]
    places = {entry.child_frame_id: entry.transform.translation for entry in message.transforms}
    rig = yaml.safe_load((car / "rig.yaml").read_text())["cameras"]
    assert len(places) == CAMERAS and all(entry.header.frame_id == "base_link" for entry in message.transforms)
    x, y, z = rig["CAM_BACK_LEFT"]["position_m"]
    place = places["camera_back_left_optical"]
    assert (place.x, place.y, place.z) == pytest.approx((x, y, z))


def test_images_of_plain_nodes_become_frame_sets(car: Path, tmp_path: Path) -> None:
    rig = yaml.safe_load((car / "rig.yaml").read_text())["cameras"]
    bridge, published = CvBridge(), []
    params = {"rig": str(car / "rig.yaml"), "policy": str(kinematic()), "report_dir": str(tmp_path / "reports")}
    with container(tmp_path, component("heron_camera", "FramesNode", "frames", params)) as box, Outside(box.domain) as outside:
        outside.listen("/frames")
        raw = outside.node.create_publisher(Image, "/camera/front/image", BEST_EFFORT)
        others = {entry["topic"]: entry for name, entry in rig.items() if name != "CAM_FRONT"}
        jpegs = {topic: outside.node.create_publisher(CompressedImage, f"/camera/{topic}/image/compressed", BEST_EFFORT) for topic in others}

        def plain(entry: dict[str, Any]) -> Any:
            return np.full((entry["height"], entry["width"], 3), BLUE_BGR, np.uint8)

        def publish() -> None:
            stamp = outside.node.get_clock().now().to_msg()
            image = bridge.cv2_to_imgmsg(plain(rig["CAM_FRONT"]), "bgr8")
            image.header.stamp = stamp
            raw.publish(image)
            for topic, publisher in jpegs.items():
                data = cv2.imencode(".jpg", plain(others[topic]))[1].tobytes()
                publisher.publish(CompressedImage(format="jpeg", data=data, header=image.header))
            published.append(stamp.sec * 10**9 + stamp.nanosec)

        ready = outside.spin(lambda: raw.get_subscription_count() > 0 and all(p.get_subscription_count() for p in jpegs.values()), 20)
        assert ready and box.process.poll() is None, box.text()
        outside.node.create_timer(0.1, publish)
        arrived = outside.spin(lambda: len(outside.seen.get("/frames", ())) >= 5, 15)
        assert arrived, box.text()
        sets = outside.seen["/frames"]
        box.process.terminate()
        assert box.process.wait(15) == 0, box.text()
    for message in sets:
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec in published
        assert list(message.cameras) == list(rig) and all(message.valid)
    (group,) = sets[-1].images
    views = np.frombuffer(bytes(group.data), np.uint8).reshape(group.shape)
    assert views.shape == (CAMERAS, 3, 448, 448) and group.name == "images"
    for name, view in zip(sets[-1].cameras, views, strict=True):
        middle = view[:, 224, 224]
        assert np.abs(middle.astype(int) - BLUE_BGR[::-1]).max() <= 3, f"{name} is not the published colour in RGB: {middle}"
    report = json.loads((tmp_path / "reports" / "frames.json").read_text())["report"]
    assert report["frame_sets"]["published"] >= 5 and report["cameras"]["CAM_FRONT"]["frames"] >= 5
