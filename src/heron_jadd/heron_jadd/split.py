"""Recordings → scenes: stretches of equal length on the grid of samples, never across a change of who drives unless asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from heron_jadd.config import NS, JaddConfig
from heron_jadd.recording import Recording


@dataclass(frozen=True)
class Scene:
    """A stretch of a recording.

    Attributes:
        start_ns, end_ns: times of its first and its last sample.
        driver: who drives in it: human, heron, mixed, or unknown.
    """

    start_ns: int
    end_ns: int
    driver: str


@dataclass(frozen=True)
class Split:
    """Scenes of one recording, in order, and how many seconds of it are in none."""

    scenes: tuple[Scene, ...]
    left_out_s: float


def split(recording: Recording, config: JaddConfig) -> Split:
    """Scenes of `config.scene_s`, each beginning where the last one ended; a rest of at least `config.shortest_s` is one too."""
    step, first = config.key_ns, recording.first_ns
    scenes = []
    for begin_ns, end_ns, driver in _stretches(recording, config.across_engagement):
        at = first + -(-(begin_ns - first) // step) * step
        last = first + (end_ns - first) // step * step
        while last - at >= config.shortest_s * NS:
            end = min(at + round(config.scene_s * config.keyframe_hz) * step, last)
            scenes.append(Scene(at, end, driver))
            at = end + step  # a sample belongs to one scene
    inside = sum(scene.end_ns - scene.start_ns + step for scene in scenes)
    return Split(tuple(scenes), max(recording.last_ns - first - inside, 0) / NS)


def _stretches(recording: Recording, across: bool) -> Iterator[tuple[int, int, str]]:
    """(from, to, who drives), both ends included."""
    drivers = recording.drivers
    if across:
        who = drivers[0][1] if len({name for _, name in drivers}) == 1 else "mixed"
        yield recording.first_ns, recording.last_ns, who
        return
    ends = [*(at_ns - 1 for at_ns, _ in drivers[1:]), recording.last_ns]
    for (begin_ns, driver), end_ns in zip(drivers, ends, strict=True):
        yield begin_ns, end_ns, driver
