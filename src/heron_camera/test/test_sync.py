"""Frame sets: complete at once, never silently incomplete, whatever the cameras do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from camera_fixtures import frame
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_camera.config import SyncConfig
from heron_camera.decode import jpeg_tear
from heron_camera.sync import FrameGroup, FrameSynchroniser
from heron_core.frames import CameraFrame

MS = 1_000_000
S = 1000 * MS
CAMERAS = ("A", "B", "C")
GREY = np.zeros((1, 1), np.uint8)
START = 1_700_000_000 * S


def mono(camera: str, stamp_ms: float) -> CameraFrame:
    return frame(camera, START + round(stamp_ms * MS), GREY, "mono8")


class Drive:
    """A synchroniser, and all that it gave out."""

    def __init__(self, cameras: tuple[str, ...] = CAMERAS, **config: Any) -> None:
        self.sync: FrameSynchroniser[CameraFrame] = FrameSynchroniser(cameras, SyncConfig(**config))
        self.out: list[FrameGroup[CameraFrame]] = []

    def push(self, camera: str, stamp_ms: float, at_ms: float | None = None) -> None:
        self.out += self.sync.push(mono(camera, stamp_ms), START + round((stamp_ms if at_ms is None else at_ms) * MS))

    def poll(self, at_ms: float) -> None:
        self.out += self.sync.poll(START + round(at_ms * MS))

    def stamps(self) -> list[float]:
        return [(group.stamp_ns - START) / MS for group in self.out if not group.refused]


def test_a_set_is_complete_the_moment_its_last_camera_arrives() -> None:
    drive = Drive()
    drive.push("A", 0, 10)
    drive.push("B", 5, 12)
    assert drive.out == []
    drive.push("C", -3, 15)
    (group,) = drive.out
    assert group.stamp_ns == START - 3 * MS and group.complete_ns == START + 15 * MS
    assert set(group.members) == set(CAMERAS) and not group.lacking and not group.refused


def test_tolerance_spans_the_whole_set() -> None:
    drive = Drive(tolerance_ms=20.0)
    for camera, stamp in (("A", 0), ("B", 19), ("C", -5)):  # C fits A but not A and B
        drive.push(camera, stamp)
    assert drive.out == []
    drive.push("C", 1)
    assert drive.stamps() == [0]


@pytest.mark.parametrize("incomplete", ["refuse", "mark"])
def test_a_missing_camera(incomplete: str) -> None:
    drive = Drive(incomplete=incomplete, max_wait_ms=50.0)
    drive.push("A", 0)
    drive.push("B", 1)
    drive.poll(49)
    assert drive.out == []
    drive.poll(50)
    (group,) = drive.out
    assert group.lacking == {"C": "missing"} and group.refused == (incomplete == "refuse")
    assert drive.sync.cameras["C"]["missing"] == 1
    assert drive.sync.sets[{"refuse": "refused", "mark": "marked"}[incomplete]] == 1
    assert drive.sync.cameras["A"]["unused"] == (incomplete == "refuse")


def test_one_camera_half_a_second_late() -> None:
    drive = Drive()
    events = [(t, camera, t) for t in range(0, 2000, 100) for camera in ("A", "B")]
    events += [(t + 500, "C", t) for t in range(0, 2000, 100)]
    for at, camera, stamp in sorted(events):
        drive.push(camera, stamp, at)
    drive.poll(3000)
    assert all(group.refused and set(group.lacking) == {"C"} for group in drive.out)
    assert drive.sync.cameras["C"]["late"] == 20
    assert drive.sync.sets["complete"] == 0 and drive.sync.sets["refused"] == 20
    assert drive.sync.cameras["C"]["skewed"] >= 14, "once its frames arrive, the camera is alive but at another time"


def test_a_skewed_camera_is_not_matched_with_the_wrong_moment() -> None:
    drive = Drive(incomplete="mark")
    for t in range(0, 1000, 100):
        for camera, offset in (("A", 0), ("B", 1), ("C", 50)):
            drive.push(camera, t + offset, t + 50)
        drive.poll(t + 90)
    drive.poll(2000)
    assert {frozenset(group.lacking.items()) for group in drive.out} == {frozenset({("C", "skewed")})}
    assert drive.sync.cameras["C"]["skewed"] == 10


def test_a_camera_that_goes_and_returns_needs_no_restart() -> None:
    drive = Drive()
    for t in range(0, 3000, 100):
        for camera in CAMERAS:
            if camera != "B" or not 1000 <= t < 2000:
                drive.push(camera, t)
    drive.poll(4000)
    assert drive.stamps() == [t for t in range(0, 3000, 100) if not 1000 <= t < 2000]
    assert drive.sync.cameras["B"]["missing"] == 10


def test_duplicates_and_disorder_are_counted_and_do_no_harm() -> None:
    drive = Drive()
    for camera, stamp in (("A", 0), ("A", 0), ("A", 100), ("B", 100), ("B", 0), ("C", 0), ("C", 100)):
        drive.push(camera, stamp, 100)
    assert drive.stamps() == [0, 100]
    assert drive.sync.cameras["A"]["duplicated"] == 1 and drive.sync.cameras["B"]["out_of_order"] == 1
    drive.push("A", 0, 101)
    assert drive.sync.cameras["A"]["duplicated"] == 2


def test_a_torn_frame_never_joins() -> None:
    sync: FrameSynchroniser[CameraFrame] = FrameSynchroniser(("A", "B"), SyncConfig(), lambda frame: jpeg_tear(frame.data))
    whole, torn = np.array([0xFF, 0xD8, 1, 0xFF, 0xD9], np.uint8), np.array([0xFF, 0xD8, 1, 2], np.uint8)
    assert sync.push(frame("A", START, whole), START) == []
    assert sync.push(frame("B", START, torn), START) == []
    (group,) = sync.poll(START + 100 * MS)
    assert group.refused and group.lacking == {"B": "torn"} and group.reason() == "B torn"
    assert sync.cameras["B"]["torn"] == 1


@pytest.mark.parametrize("jump_ms", [-1500, -3_600_000])
def test_the_clock_jumps_backwards(jump_ms: int) -> None:
    drive = Drive()
    times = [*range(0, 500, 100), *(500 + jump_ms + t for t in range(0, 500, 100))]
    for t in times:
        for camera in CAMERAS:
            drive.push(camera, t)
    assert drive.stamps() == times
    assert drive.sync.sets["clock_resets"] >= 1 and drive.sync.sets["refused"] == 0


def test_stamps_jump_back_while_arrival_times_go_on() -> None:
    drive = Drive()
    for i in range(10):
        for camera in CAMERAS:
            drive.push(camera, 100 * i - (5000 if i >= 5 else 0), 100 * i)
    assert len(drive.stamps()) == 10 and drive.sync.sets["clock_resets"] == 1


def test_a_stray_stamp_from_the_future_does_not_stop_the_sets() -> None:
    drive = Drive()
    drive.push("A", 9e6, 0)
    for t in range(0, 1000, 100):
        for camera in CAMERAS:
            drive.push(camera, t, t)
    assert len(drive.stamps()) >= 9


def test_one_set_per_period_from_faster_cameras() -> None:
    drive = Drive(period_ms=100.0, tolerance_ms=10.0)
    for i in range(60):
        for camera in CAMERAS:
            drive.push(camera, i * 100 / 3)
    assert len(drive.stamps()) == 20
    assert np.diff(drive.stamps()) == pytest.approx(100, abs=0.01)
    assert drive.sync.cameras["A"]["unused"] == 40 and drive.sync.sets["refused"] == 0


def test_a_faster_camera_between_sets_is_merely_unused() -> None:
    drive = Drive(tolerance_ms=10.0)
    for i in range(30):
        drive.push("A", i * 100 / 3)
        if i % 3 == 0:
            for camera in "BC":
                drive.push(camera, i * 100 / 3)
    drive.poll(5000)
    assert len(drive.stamps()) == 10 and drive.sync.sets["refused"] == 0
    assert drive.sync.cameras["A"]["unused"] == 20


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="D is not one of A, B, C"):
        Drive().push("D", 0)
    with pytest.raises(ValueError, match="at least one camera"):
        Drive(())
    with pytest.raises(ValueError, match=r"tolerance_ms 60\.0 must be below period_ms 50"):
        SyncConfig(tolerance_ms=60.0, period_ms=50.0)
    with pytest.raises(ValueError, match="max_wait_ms nan must be at least 1"):
        SyncConfig(max_wait_ms=float("nan"))


ARRIVALS = st.lists(
    st.tuples(st.sampled_from(CAMERAS), st.integers(-3000, 3000), st.integers(0, 60), st.integers(-2000, 60)), min_size=1, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(ARRIVALS, st.sampled_from(["refuse", "mark"]), st.sampled_from([0.0, 100.0]))
def test_nothing_wrong_is_ever_passed_on(arrivals: list[tuple[str, int, int, int]], incomplete: str, period_ms: float) -> None:
    """Any disorder: members within tolerance, incomplete only when marked, no frame twice, every frame accounted for."""
    drive = Drive(incomplete=incomplete, period_ms=period_ms)
    now = 0
    for camera, stamp, wait, step in arrivals:
        now += wait if step < 0 else step
        drive.push(camera, stamp, now)
    drive.poll(now + 10_000)
    seen: set[int] = set()
    for group in drive.out:
        stamps = [member.stamp_ns for member in group.members.values()]
        assert max(stamps) - min(stamps) <= 40 * MS and group.stamp_ns == min(stamps)
        assert set(group.members) | set(group.lacking) == set(CAMERAS) and not set(group.members) & set(group.lacking)
        assert group.refused == (bool(group.lacking) and incomplete == "refuse")
        assert not seen & {id(member) for member in group.members.values()}
        seen |= {id(member) for member in group.members.values()}
    for counts in drive.sync.cameras.values():
        assert counts["frames"] == sum(counts[name] for name in ("joined", "unused", "late", "duplicated", "torn"))
    again = Drive(incomplete=incomplete, period_ms=period_ms)
    now = 0
    for camera, stamp, wait, step in arrivals:
        now += wait if step < 0 else step
        again.push(camera, stamp, now)
    again.poll(now + 10_000)
    assert [(g.stamp_ns, sorted(g.members), g.refused) for g in again.out] == [(g.stamp_ns, sorted(g.members), g.refused) for g in drive.out]
