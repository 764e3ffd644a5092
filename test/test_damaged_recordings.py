"""Damaged recordings, as `heron drive` meets them: a sentence and an exit code, or a count in report.json; never a guess."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from drives import ROOT, Run, run_graph
from recordings import FRAMES, LEAD_NS, bytes_of, copy, frame_index, start_of

from heron_bag.native import can_batches, plans
from heron_bag.reader import open_bag
from heron_core.arrays import read_only
from heron_core.canbus import CanBatch
from heron_core.frames import CameraFrame

SPEED_ID = 0xB0  # VEHICLE_SPEED of demo.dbc
HALF_S = 500_000_000


# Cameras -------------------------------------------------------------------------------------------------------------------------------


def test_a_missing_camera_stops_the_plans(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    run = drive(copy(small, tmp_path / "b", keep=lambda topic: not topic.startswith("/camera/back/image")))
    assert run.code == 1 and "failed: no plan was made" in run.said
    assert run.report["plans"] == 0 and run.report["frame_sets"]["refused"] == FRAMES
    assert run.report["cameras"]["CAM_BACK"]["missing"] == FRAMES and run.report["cameras"]["CAM_BACK"]["frames"] == 0
    assert "frames_incomplete: sets are refused: CAM_BACK missing" in run.events()
    assert any(event.startswith("camera_silent: CAM_BACK:") for event in run.events())


def test_a_missing_camera_is_marked_where_the_profile_says_so(small: Path, car: Path, tmp_path: Path) -> None:
    bag = copy(small, tmp_path / "b", keep=lambda topic: not topic.startswith("/camera/back/image"))
    profile = yaml.safe_load((ROOT / "config" / "profile" / "replay.yaml").read_text())
    profile["/frames"] = {"ros__parameters": {"sync.incomplete": "mark"}}
    report = run_graph(bag, car, tmp_path, profile)
    assert report["frame_sets"]["marked"] == report["plans"] == FRAMES
    assert report["cameras"]["CAM_BACK"]["missing"] == FRAMES and report["cameras"]["CAM_FRONT"]["joined"] == FRAMES
    assert report["counters"]["frames"]["sets_marked"] == FRAMES


def test_one_camera_half_a_second_late(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    def late(log_ns: int, frame: CameraFrame) -> Iterable[tuple[int, CameraFrame]]:
        return [(log_ns + HALF_S * (frame.camera == "CAM_BACK_LEFT"), frame)]

    run = drive(copy(small, tmp_path / "b", frames=late))
    camera = run.report["cameras"]["CAM_BACK_LEFT"]
    assert run.code == 1 and run.report["plans"] == 0
    assert camera["frames"] == FRAMES and camera["late"] == camera["dropped"] == FRAMES
    assert camera.get("missing", 0) + camera.get("skewed", 0) == run.report["frame_sets"]["refused"] == FRAMES
    assert any(event.startswith("frames_incomplete: sets are refused: CAM_BACK_LEFT") for event in run.events())


def test_damaged_jpegs_are_counted_and_their_sets_refused(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    start_ns = start_of(small)

    def damage(log_ns: int, frame: CameraFrame) -> Iterable[tuple[int, CameraFrame]]:
        data = frame.data.tobytes()
        if frame.camera == "CAM_FRONT" and frame_index(frame, start_ns) in (5, 11):
            data = data[: len(data) // 2]
        if frame.camera == "CAM_BACK" and frame_index(frame, start_ns) == 8:
            middle = len(data) // 2
            data = data[:middle] + b"\xff\xc1" + data[middle + 2 :]
        return [(log_ns, dataclasses.replace(frame, data=bytes_of(data)))]

    run = drive(copy(small, tmp_path / "b", frames=damage))
    cameras = run.report["cameras"]
    assert run.code == 0
    assert cameras["CAM_FRONT"]["torn"] == cameras["CAM_FRONT"]["dropped"] == 2
    assert cameras["CAM_BACK"]["undecodable"] == cameras["CAM_BACK"]["dropped"] == 1
    assert run.report["plans"] == FRAMES - 3
    assert any(event.startswith("frame_undecodable: CAM_BACK: JPEG data is damaged") for event in run.events())


def test_a_broken_h264_access_unit_costs_the_frames_up_to_the_next_keyframe(front_and_can: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    count = 0

    def damage(log_ns: int, frame: CameraFrame) -> Iterable[tuple[int, CameraFrame]]:
        nonlocal count
        count += 1
        if count != 40:
            return [(log_ns, frame)]
        data = bytearray(frame.data.tobytes())
        data[len(data) // 3 : len(data) // 3 + 40] = b"\xff" * 40
        return [(log_ns, dataclasses.replace(frame, data=bytes_of(bytes(data))))]

    run = drive(copy(front_and_can, tmp_path / "b", frames=damage), "--seconds", 5)
    camera = run.report["cameras"]["CAM_FRONT"]
    assert run.code == 0
    assert camera["undecodable"] == 1 and camera["dropped"] == 1 + camera["before_keyframe"]
    usable = camera["frames"] - camera["dropped"]
    assert usable >= 39 and 0 <= usable - run.report["plans"] <= 2, "the last ones are under way when the run is cut off"
    assert any(event.startswith("frame_undecodable: CAM_FRONT:") for event in run.events())


# Time ----------------------------------------------------------------------------------------------------------------------------------


def test_stamps_that_jump_back_while_recorded_time_goes_on(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    """A camera computer that loses its clock: what it sends looks five seconds old, and nothing is planned on it as if it were fresh."""
    start_ns = start_of(small)

    def jump(log_ns: int, frame: CameraFrame) -> Iterable[tuple[int, CameraFrame]]:
        back_ns = 5_000_000_000 * (frame_index(frame, start_ns) >= 10)
        return [(log_ns, dataclasses.replace(frame, stamp_ns=frame.stamp_ns - back_ns))]

    run = drive(copy(small, tmp_path / "b", frames=jump))
    assert run.report["frame_sets"]["clock_resets"] == 1
    assert run.report["plans"] == 10 and sum(run.report["plans_refused"].values()) == 10
    assert any(event.startswith("plan: no plan: ego_history") for event in run.events())
    with open_bag(run.out / "bag") as bag:
        assert all(0 <= log_ns - plan.stamp_ns < HALF_S for log_ns, plan in plans(bag))


def test_a_recorder_whose_clock_jumped_back(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    """Its last second lies upon the one before: two streams of frames and two of counters, interleaved."""
    cut_ns = start_of(small) + LEAD_NS + 1_000_000_000

    def frames(log_ns: int, frame: CameraFrame) -> Iterable[tuple[int, CameraFrame]]:
        back_ns = 1_000_000_000 * (log_ns >= cut_ns)
        return [(log_ns - back_ns, dataclasses.replace(frame, stamp_ns=frame.stamp_ns - back_ns))]

    def batches(log_ns: int, batch: CanBatch) -> Iterable[tuple[int, CanBatch]]:
        back_ns = 1_000_000_000 * (log_ns >= cut_ns)
        return [(log_ns - back_ns, dataclasses.replace(batch, stamp_ns=read_only(batch.stamp_ns - back_ns)))]

    run = drive(copy(small, tmp_path / "b", frames=frames, batches=batches))
    faults = run.report["can"]["faults"]
    assert sum(count for name, count in faults.items() if name.startswith("counter_error")) > 50
    assert sum(camera.get("duplicated", 0) for camera in run.report["cameras"].values()) > 60
    assert run.report["plans"] <= 12


# The file ------------------------------------------------------------------------------------------------------------------------------


def test_a_truncated_recording_drives_up_to_where_it_ends(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    whole = next(small.glob("*.mcap")).read_bytes()
    (tmp_path / "cut.mcap").write_bytes(whole[: len(whole) * 2 // 3])
    run = drive(tmp_path / "cut.mcap")
    assert run.code == 0 and "warning:" in run.said and "truncated" in run.said
    assert 0 < run.report["plans"] < FRAMES


def test_a_corrupt_chunk_is_told(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    """The index is whole, so that only reading finds it."""
    shutil.copytree(small, tmp_path / small.name)
    path = next((tmp_path / small.name).glob("*.mcap"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    run = drive(tmp_path / small.name)
    assert run.report["plans"] < FRAMES
    assert any("CRC does not match" in event for event in run.events())


def test_without_calibration_nothing_is_driven(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    run = drive(copy(small, tmp_path / "b", attach=False, keep=lambda topic: not topic.endswith("/camera_info")))
    assert run.code == 2 and "without calibration" in run.said and "no camera_info topics" in run.said
    assert "config/vehicle/NAME" in run.said, "the remedy"
    assert not run.report


def test_calibration_from_topics_serves_where_no_file_is_attached(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    run = drive(copy(small, tmp_path / "b", attach=False), "--seconds", 1.8)
    assert run.code == 0 and run.report["plans"] > 5


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: folder / "nowhere", "nowhere: no such recording"),
        (lambda folder: _written(folder / "x.txt", b"hello"), "x.txt: not a recording"),
        (lambda folder: _written(folder / "x.mcap", b"hello"), "x.mcap"),
    ],
)
def test_what_is_no_recording(make: Callable[[Path], Path], says: str, tmp_path: Path, drive: Callable[..., Run]) -> None:
    run = drive(make(tmp_path))
    assert run.code == 2 and says in run.said
    assert len(run.said.strip().splitlines()) == 1


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# CAN -----------------------------------------------------------------------------------------------------------------------------------


def test_can_falls_silent(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    silent_ns = start_of(small) + LEAD_NS + 1_000_000_000
    run = drive(copy(small, tmp_path / "b", batches=lambda log_ns, batch: [(log_ns, batch)] if log_ns < silent_ns else []))
    report, events = run.report, run.events()
    assert report["can"]["faults"]["silence_timeout vehicle"] == 1 and report["can"]["silent"] == ["vehicle"]
    assert any("bus vehicle is silent" in event for event in events) and any("no valid" in event and "speed" in event for event in events)
    assert report["can"]["faults"]["lost speed"] == 1
    assert report["plans"] <= 12 and sum(report["plans_refused"].values()) >= 8, "no plans on a state that is not there"


def test_wrong_checksums_and_counters_are_counted(small: Path, tmp_path: Path, drive: Callable[..., Run]) -> None:
    start_ns = start_of(small)
    wrong_ns, stuck_ns = start_ns + 700_000_000, start_ns + 1_700_000_000

    def spoil(log_ns: int, batch: CanBatch) -> Iterable[tuple[int, CanBatch]]:
        data = batch.data.copy()
        ends = np.cumsum(batch.length, dtype=np.int64)
        for end in ends[batch.ids == SPEED_ID]:
            if wrong_ns <= log_ns < wrong_ns + 200_000_000:
                data[end - 1] ^= 1  # a bit of the odometer
            if stuck_ns <= log_ns < stuck_ns + 200_000_000:
                data[end - 8 : end] = np.frombuffer(stuck, np.uint8)
        return [(log_ns, dataclasses.replace(batch, data=read_only(data)))]

    with open_bag(small) as bag:
        stuck = _payload(bag, stuck_ns)
    run = drive(copy(small, tmp_path / "b", batches=spoil))
    faults = run.report["can"]["faults"]
    assert faults["checksum_error VEHICLE_SPEED"] == 20
    assert faults["counter_error_repeated VEHICLE_SPEED"] == 20
    assert faults["lost speed"] >= 1, "neither is used"


def _payload(bag: Any, after_ns: int) -> bytes:
    """The last VEHICLE_SPEED before `after_ns`."""
    found = b""
    for log_ns, batch in can_batches(bag):
        if log_ns >= after_ns:
            break
        for arbitration_id, payload in zip(batch.ids, batch.payloads(), strict=True):
            found = payload if arbitration_id == SPEED_ID else found
    return found
