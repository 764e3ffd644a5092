"""The components in lock-step: folders of images → topics → frame sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import yaml
from camera_fixtures import frame, frozen, h264_stream, jpeg, picture_of
from rclpy.parameter import Parameter

from heron_camera.node import CameraNode, FramesNode
from heron_core.camera import Lens, LensModel
from heron_core.errors import ConfigError, RigMismatchError
from heron_core.frames import FrameSet
from heron_core.rig import FORWARD_OPTICAL, Rig, RigCamera, dump_rig
from heron_runtime.lockstep import Scheduler

pytestmark = pytest.mark.alone

START = 1_700_000_000_000_000_000
MS = 1_000_000
LENS = Lens(LensModel.PLUMB_BOB, 320, 192, 200.0, 200.0, 159.5, 95.5, (-0.1, 0.01, 0.0, 0.0, 0.0))
NAMES = ("CAM_LEFT", "CAM_RIGHT")


@pytest.fixture
def ros() -> Iterator[None]:
    rclpy.init(args=[])
    yield
    rclpy.try_shutdown()


@pytest.fixture
def car(tmp_path: Path) -> Path:
    """A folder with rig.yaml, a policy with two views, and ten images for each camera."""
    cameras = {name: RigCamera(name, name[4:].lower(), LENS, FORWARD_OPTICAL, f"{name}_optical") for name in NAMES}
    (tmp_path / "rig.yaml").write_text(dump_rig(Rig("two", cameras)))
    (tmp_path / "policy").mkdir()
    views = [{"camera": name, "input": "images", "width": 64, "height": 32, "hfov_deg": 60} for name in NAMES]
    (tmp_path / "policy" / "policy.yaml").write_text(yaml.safe_dump({"views": views, "preprocessing": {"mode": "fast"}}))
    for name in NAMES:
        (tmp_path / name).mkdir()
        for i in range(10):
            (tmp_path / name / f"{i:03d}.jpg").write_bytes(jpeg(picture_of(f"{name}{i}", 320, 192)).tobytes())
    return tmp_path


def run(
    car: Path, frames: dict[str, Any] | None = None, camera: dict[str, Any] | None = None, inject: Any = None
) -> tuple[list[FrameSet], dict[str, Any]]:
    """Frame sets and the merged reports of one lock-step run."""
    scheduler = Scheduler(START, {"preprocess": 20 * MS, "decode": 4 * MS})
    sets: list[FrameSet] = []
    events: list[str] = []

    def keep(topic: str, time_ns: int, message: Any) -> None:
        if topic == "/frames":
            sets.append(message)
        elif topic == "/events":
            events.append(message.kind)

    scheduler.tap(keep)
    given = {"rig": str(car / "rig.yaml"), "policy": str(car / "policy"), **(frames or {})}
    nodes: list[Any] = [make(FramesNode, scheduler, given)]
    try:
        if inject is not None:
            nodes.append(make(Inject, scheduler, {}, items=inject))
        else:
            inputs = [f"{name}={car / name}" for name in NAMES]
            nodes.append(make(CameraNode, scheduler, {"rig": str(car / "rig.yaml"), "inputs": inputs, "source": "folder", **(camera or {})}))
        scheduler.run(START + 3000 * MS)
        report = {key: value for node in nodes for key, value in node.full_report()["report"].items()}
    finally:
        for node in nodes:
            node.destroy_node()
    return sets, {**report, "events": events}


def make(cls: Any, scheduler: Scheduler, parameters: dict[str, Any], **more: Any) -> Any:
    return cls(
        lockstep=lambda node: scheduler.host(node, "perception"),
        cli_args=[],
        use_global_arguments=False,
        parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
        **more,
    )


class Inject(CameraNode):
    """Publishes (due, topic, frame) as given."""

    NAME = "inject"

    def __init__(self, items: Any, **kwargs: Any) -> None:
        self._items = items
        kwargs["parameter_overrides"] = [Parameter("rig", value="none"), Parameter("inputs", value=["a=b"])]
        super().__init__(**kwargs)

    def setup(self) -> None:
        topics = {topic: self.advertise(topic) for _, topic, _ in self._items}
        self.feed(lambda: ((due, (topic, item)) for due, topic, item in self._items), lambda pair: topics[pair[0]].publish(pair[1]))

    def interrupt(self) -> None:
        pass

    def report(self) -> dict[str, Any]:
        return {}


def test_folders_become_frame_sets(ros: None, car: Path) -> None:
    sets, report = run(car)
    assert [(s.stamp_ns - START) // MS for s in sets] == list(range(0, 1000, 100))
    assert all(s.valid == (True, True) and s.images["images"].shape == (2, 3, 32, 64) for s in sets)
    assert report["cameras"]["CAM_LEFT"]["frames"] == 10 and report["cameras"]["CAM_LEFT"]["dropped"] == 0
    assert report["frame_sets"]["complete"] == report["frame_sets"]["published"] == 10
    first = sets[0].stages
    assert first.exposure_ns == START and first.preprocessed_ns - first.frames_complete_ns == 20 * MS
    assert {s.digest for s in sets} == {report["preprocessing"]}
    assert sets[0].addresses["images"] == sets[0].images["images"].ctypes.data


def test_the_same_run_gives_the_same_bits(ros: None, car: Path) -> None:
    one, two = run(car)[0], run(car, {"threads": 1})[0]
    assert all(np.array_equal(a.images["images"], b.images["images"]) for a, b in zip(one, two, strict=True))


def test_exposure_offset(ros: None, car: Path) -> None:
    assert run(car, camera={"exposure_offset_ms": -8.0})[0][0].stamp_ns == START - 8 * MS


@pytest.mark.parametrize("incomplete", ["refuse", "mark"])
def test_a_truncated_jpeg_and_a_missing_file(ros: None, car: Path, incomplete: str) -> None:
    torn = car / "CAM_LEFT" / "003.jpg"
    torn.write_bytes(torn.read_bytes()[:2000])
    sets, report = run(car, {"sync.incomplete": incomplete})
    assert report["cameras"]["CAM_LEFT"]["torn"] == 1 and report["cameras"]["CAM_LEFT"]["dropped"] == 1
    assert len(sets) == (9 if incomplete == "refuse" else 10)
    if incomplete == "mark":
        assert sets[3].valid == (False, True) and not sets[3].images["images"][0].any()
    assert report["events"][:2] == ["frames_incomplete", "frames_complete"]


def test_damage_found_only_while_decoding(ros: None, car: Path) -> None:
    path = car / "CAM_RIGHT" / "004.jpg"
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2] = b"\xff\xc1"
    path.write_bytes(bytes(data))
    sets, report = run(car)
    assert len(sets) == 9 and report["cameras"]["CAM_RIGHT"]["undecodable"] == 1
    assert "frame_undecodable" in report["events"]


def test_a_camera_that_falls_silent_and_returns(ros: None, car: Path) -> None:
    image = jpeg(picture_of("x", 320, 192))
    items = []
    for i in range(28):
        stamp = START + i * 100 * MS
        for name in NAMES:
            if name == "CAM_LEFT" or not 5 <= i < 18:
                items.append((stamp, f"/camera/{name[4:].lower()}/image/compressed", frame(name, stamp, image)))
    sets, report = run(car, inject=items)
    assert len(sets) == 15
    events = report["events"]
    assert events.index("camera_silent") < events.index("camera_back") and "frames_silent" in events and "frames_back" in events


def test_h264_with_a_lost_packet_next_to_raw_images(ros: None, car: Path) -> None:
    units = h264_stream([frozen(np.roll(picture_of("v", 320, 192), 4 * i, axis=1)) for i in range(20)])
    raw = picture_of("raw", 320, 192)
    items = []
    for i, unit in enumerate(units):
        stamp = START + i * 100 * MS
        if i != 13:
            items.append((stamp, "/camera/left/video", frame("CAM_SOMEONES_NAME", stamp, unit, "h264")))
        items.append((stamp, "/camera/right/image", frame("CAM_RIGHT", stamp, raw, "rgb8")))
    sets, report = run(car, inject=items)
    assert [(s.stamp_ns - START) // (100 * MS) for s in sets] == list(range(13))
    left = report["cameras"]["CAM_LEFT"]
    assert (left["undecodable"], left["before_keyframe"], left["frames"]) == (1, 5, 19)
    assert "frame_undecodable" in report["events"]


def test_what_does_not_fit_is_refused_with_the_reason(ros: None, car: Path) -> None:
    description = car / "policy" / "policy.yaml"
    good = yaml.safe_load(description.read_text())
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (RigMismatchError, "requires CAM_ROOF", {"views": [{**good["views"][0], "camera": "CAM_ROOF"}]}),
        (ConfigError, r"views\[0\]: unknown key 'hfov'; did you mean 'hfov_deg'", {"views": [{**good["views"][0], "hfov": 1}]}),
        (ConfigError, r"views: expected a list", {"views": []}),
        (ConfigError, "either hfov_deg or k", {"views": [{**good["views"][0], "k": [1, 1, 1, 1]}]}),
        (ConfigError, "began with 64x32", {"views": [good["views"][0], {**good["views"][1], "width": 32}]}),
        (ConfigError, "'slow' is not one of quality, fast", {"preprocessing": {"mode": "slow"}}),
        (RigMismatchError, r"rig 'two' has none of the policy's cameras: it has CAM_LEFT, CAM_RIGHT, the policy looks through CAM_ROOF",
         {"views": [{**good["views"][0], "camera": "CAM_ROOF", "required": False}]}),
        (RigMismatchError, "made for preprocessing abc", {"preprocessing": {"digest": "abc"}}),
        (RigMismatchError, r"CAM_LEFT is turned 90\.0° from the policy's view, at most 5°",
         {"views": [{**good["views"][0], "rotation_wxyz": [0, 0, -0.70710678, 0.70710678], "tolerance": {"rotation_deg": 5.0}}]}),
        (RigMismatchError, r"CAM_LEFT stands 2\.00 m from", {"views": [
            {**good["views"][0], "position_m": [2.0, 0.0, 0.0], "tolerance": {"translation_m": 0.5}}]}),
        (RigMismatchError, "sees nothing of the view", {"views": [{**good["views"][0], "rotation_wxyz": [0.5, -0.5, -0.5, 0.5]}]}),
    ]  # fmt: skip
    for error, says, change in cases:
        description.write_text(yaml.safe_dump({**good, **change}))
        with pytest.raises(error, match=says):
            run(car)


def test_absent_devices_do_not_delay_the_end(car: Path) -> None:
    context = rclpy.Context()
    rclpy.init(context=context)
    parameters = {"rig": str(car / "rig.yaml"), "source": "v4l2", "inputs": [f"{name}=/dev/none" for name in NAMES], "retry_s": 60.0}
    try:
        camera = CameraNode(context=context, parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()])
        time.sleep(0.3)  # both devices were tried, and are waited for
        began_s = time.monotonic()
        camera.destroy_node()
        assert time.monotonic() - began_s < 1.0
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("camera/feed")]
    finally:
        rclpy.try_shutdown(context=context)


def test_wrong_inputs(ros: None, car: Path) -> None:
    with pytest.raises(ConfigError, match="has no camera CAM_ROOF"):
        run(car, camera={"inputs": ["CAM_ROOF=x"]})
    with pytest.raises(ConfigError, match="is not camera=path"):
        run(car, camera={"inputs": ["x"]})
