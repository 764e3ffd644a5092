"""Frames of many cameras → frame sets by exposure time.

Pure and deterministic: driven by `push` and `poll`, no clock of its own. A set is complete the moment its last camera arrives. A set that stays
incomplete is refused or marked, as configured; it never looks like a whole one.

A group of frames is a *set* when it holds at least half of the cameras; less is a stray (a faster camera between two sets), whose frames are
merely unused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from heron_camera.config import SyncConfig


class Exposed(Protocol):
    """What the synchroniser needs to know of a frame."""

    @property
    def camera(self) -> str:
        """Name in the rig."""

    @property
    def stamp_ns(self) -> int:
        """Exposure mid-point."""


F = TypeVar("F", bound=Exposed)

# What can be wrong with a frame, or with a camera in a set; the names of the counters.
FRAME_FAULTS = ("late", "duplicated", "torn", "out_of_order", "unused")
SET_FAULTS = ("missing", "skewed")


@dataclass(frozen=True)
class FrameGroup(Generic[F]):
    """Frames that were exposed together.

    Attributes:
        members: camera → frame.
        stamp_ns: oldest exposure.
        complete_ns: when the group was decided.
        lacking: camera → `missing` (nothing came), `skewed` (it came, but exposed at another time) or `torn` (it came damaged).
        refused: the group must not be used.
    """

    members: Mapping[str, F]
    stamp_ns: int
    complete_ns: int
    lacking: Mapping[str, str]
    refused: bool

    def reason(self) -> str:
        """What the group lacks, in words."""
        return ", ".join(f"{camera} {fault}" for camera, fault in self.lacking.items())


@dataclass
class _Open(Generic[F]):
    """A group that still waits for cameras."""

    opened_ns: int
    members: dict[str, F] = field(default_factory=dict)
    torn: set[str] = field(default_factory=set)

    @property
    def first_ns(self) -> int:
        return min(frame.stamp_ns for frame in self.members.values())

    @property
    def last_ns(self) -> int:
        return max(frame.stamp_ns for frame in self.members.values())

    def span_with(self, stamp_ns: int) -> int:
        return max(self.last_ns, stamp_ns) - min(self.first_ns, stamp_ns)


class FrameSynchroniser(Generic[F]):
    """See the module. Counters: `cameras[name][fault]` and `sets` (complete, marked, refused, surplus, clock_resets).

    Args:
        cameras: names of all cameras that make a whole set.
        config: tolerance, waiting time, rate, and what to do with an incomplete set.
        fault: says why a frame is torn (cheaply, without decoding), or None.
    """

    def __init__(self, cameras: tuple[str, ...], config: SyncConfig, fault: Callable[[F], str | None] = lambda frame: None) -> None:
        if not cameras:
            raise ValueError("frame sets need at least one camera")
        self.names = cameras
        self.config = config
        self.cameras: dict[str, Counter[str]] = {name: Counter() for name in cameras}
        self.sets: Counter[str] = Counter()
        self._fault = fault
        self._clear()
        self._now_ns = 0

    def push(self, frame: F, now_ns: int) -> list[FrameGroup[F]]:
        """Takes a frame at `now_ns`; returns the sets that it completes or ends, refused ones among them, oldest first."""
        if frame.camera not in self.cameras:
            raise ValueError(f"{frame.camera} is not one of {', '.join(self.names)}")
        groups = self.poll(now_ns)
        counts = self.cameras[frame.camera]
        counts["frames"] += 1
        newest = self._newest.get(frame.camera)
        if newest is not None and frame.stamp_ns < newest - self.config.clock_jump_ns:
            groups += self._restart()
            newest = None
        self._arrived[frame.camera] = self._now_ns
        if frame.stamp_ns in self._recent.setdefault(frame.camera, []):
            counts["duplicated"] += 1
            return groups
        self._recent[frame.camera] = [*self._recent[frame.camera], frame.stamp_ns][-8:]
        if newest is not None and frame.stamp_ns < newest:
            counts["out_of_order"] += 1
        self._newest[frame.camera] = max(frame.stamp_ns, newest or frame.stamp_ns)
        if self._fault(frame) is not None:
            counts["torn"] += 1
            self._torn[frame.camera] = frame.stamp_ns
            return groups
        if self._closed_ns is not None and frame.stamp_ns <= self._closed_ns:
            counts["late"] += 1
            return groups
        return groups + self._join(frame)

    def poll(self, now_ns: int) -> list[FrameGroup[F]]:
        """Ends the sets that waited too long at `now_ns`."""
        groups: list[FrameGroup[F]] = []
        if now_ns < self._now_ns - self.config.clock_jump_ns:
            groups += self._restart()
            self._now_ns = now_ns
        self._now_ns = max(self._now_ns, now_ns)
        due = [group for group in self._open if self._now_ns - group.opened_ns >= self.config.max_wait_ns]
        if due:
            last_ns = max(group.first_ns for group in due)
            for group in [group for group in self._open if group.first_ns <= last_ns]:
                groups += self._end(group)
        return groups

    def report(self) -> dict[str, object]:
        """Counters, as they go into the report."""
        return {"sets": dict(self.sets), "cameras": {name: dict(counts) for name, counts in self.cameras.items()}}

    def _clear(self) -> None:
        self._open: list[_Open[F]] = []
        self._newest: dict[str, int] = {}
        self._recent: dict[str, list[int]] = {}
        self._arrived: dict[str, int] = {}
        self._torn: dict[str, int] = {}
        self._closed_ns: int | None = None  # newest exposure of the last set that was decided
        self._emitted_ns: int | None = None  # oldest exposure of the last set that was passed on

    def _restart(self) -> list[FrameGroup[F]]:
        """The clock went backwards: what is open cannot be compared with what comes."""
        self.sets["clock_resets"] += 1
        groups = [ended for group in list(self._open) for ended in self._end(group)]
        self._clear()
        return groups

    def _join(self, frame: F) -> list[FrameGroup[F]]:
        fitting = [group for group in self._open if frame.camera not in group.members and group.span_with(frame.stamp_ns) <= self.config.tolerance_ns]
        if fitting:
            group = min(fitting, key=lambda group: (group.span_with(frame.stamp_ns), group.first_ns))
        else:
            group = _Open(self._now_ns)
            self._open.append(group)
        group.members[frame.camera] = frame
        self._open.sort(key=lambda group: group.first_ns)
        if len(group.members) < len(self.names):
            return []
        groups: list[FrameGroup[F]] = []
        for older in [other for other in self._open if other.first_ns <= group.first_ns]:
            groups += self._end(older)
        return groups

    def _end(self, group: _Open[F]) -> list[FrameGroup[F]]:
        """Decides an open group; nothing older can be decided after it."""
        self._open.remove(group)
        lacking = {name: self._why(name, group) for name in self.names if name not in group.members}
        if 2 * len(group.members) < len(self.names):
            self._unused(group)
            return []
        self._closed_ns = max(group.last_ns, self._closed_ns or group.last_ns)
        first_ns = group.first_ns
        if self._emitted_ns is not None and first_ns < self._emitted_ns + self.config.period_ns - self.config.tolerance_ns:
            self.sets["surplus"] += 1
            self._unused(group)
            return []
        for name, fault in lacking.items():
            self.cameras[name][fault if fault in SET_FAULTS else "missing"] += 1
        refused = bool(lacking) and self.config.incomplete == "refuse"
        self.sets["refused" if refused else "marked" if lacking else "complete"] += 1
        self._emitted_ns = first_ns
        if refused:
            self._unused(group)
        else:
            for name in group.members:
                self.cameras[name]["joined"] += 1
        return [FrameGroup(dict(group.members), first_ns, self._now_ns, lacking, refused)]

    def _why(self, camera: str, group: _Open[F]) -> str:
        torn_ns = self._torn.get(camera)
        if torn_ns is not None and group.span_with(torn_ns) <= self.config.tolerance_ns:
            return "torn"
        arrived_ns = self._arrived.get(camera)
        return "skewed" if arrived_ns is not None and arrived_ns >= group.opened_ns - self.config.max_wait_ns else "missing"

    def _unused(self, group: _Open[F]) -> None:
        for name in group.members:
            self.cameras[name]["unused"] += 1
