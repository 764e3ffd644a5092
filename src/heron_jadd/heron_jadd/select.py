"""Which images of a scene are taken, and which of them are key frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heron_jadd.config import NS, JaddConfig
from heron_jadd.split import Scene

I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Of one scene.

    Attributes:
        sample_ns: (n,) times of the samples: exposures of the reference camera.
        keys: camera → (n,) index of its image of each sample.
        sweeps: camera → indices of the images between, in order; none after the last sample.
        dropped: why samples of the grid are not there → how many.
        apart_ns: camera → (n,) exposure less the sample's time.
    """

    sample_ns: I64
    keys: Mapping[str, I64]
    sweeps: Mapping[str, I64]
    dropped: Counter[str] = field(default_factory=Counter)
    apart_ns: Mapping[str, I64] = field(default_factory=dict)


def select(stamps: Mapping[str, I64], scene: Scene, config: JaddConfig, grid_ns: I64, reach_ns: Mapping[str, int]) -> Selection:
    """Chooses on a grid that hangs on the scene's first sample.

    So every rate has the same samples, and the images of a lower rate are all among those of a higher one that it divides (5 Hz is its own grid and
    that of the samples).

    Args:
        stamps: camera → sorted exposures, the reference camera first.
        scene: the stretch.
        config: rates.
        grid_ns: sorted times that images are wanted for, see `Job.grid_ns`.
        reach_ns: camera → how far an image may lie from the time of its sample.
    """
    reference, dropped = next(iter(stamps)), Counter[str]()
    samples = np.arange(scene.start_ns, scene.end_ns + 1, config.key_ns, dtype=np.int64)
    found = {camera: nearest(times, samples) for camera, times in stamps.items()}
    kept = np.ones(len(samples), np.bool_)
    for camera, times in stamps.items():
        lost = np.abs(_away(times, found[camera], samples)) > reach_ns[camera]
        if (lost & kept).any():  # a sample is counted once, with the first camera that lacks it
            dropped[f"no image of {camera}"] += int((lost & kept).sum())
        kept &= ~lost
    keys = {camera: index[kept] for camera, index in found.items()}
    repeated = np.zeros(int(kept.sum()), np.bool_)
    for index in keys.values():  # one image cannot be of two samples
        repeated[1:] |= np.diff(index) == 0
    if repeated.any():
        dropped["the same image as the sample before"] += int(repeated.sum())
        keys = {camera: index[~repeated] for camera, index in keys.items()}
    sample_ns = stamps[reference][keys[reference]] if len(stamps[reference]) else np.empty(0, np.int64)
    sweeps = {
        camera: _between(times, keys[camera], grid_ns, min(reach_ns[camera], round(NS / config.rate_hz / 2.0))) for camera, times in stamps.items()
    }
    apart = {camera: stamps[camera][keys[camera]] - sample_ns for camera in stamps} if len(sample_ns) else {}
    return Selection(sample_ns, keys, sweeps, dropped, apart)


def nearest(times: I64, wanted: I64) -> I64:
    """(n,) index of the time nearest to each wanted one, the earlier of two; 0 where there are none."""
    if len(times) == 0:
        return np.zeros(len(wanted), np.int64)
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1) if len(times) > 1 else np.zeros(len(wanted), np.int64)
    before = np.maximum(after - 1, 0)
    found: I64 = np.where(wanted - times[before] <= times[after] - wanted, before, after).astype(np.int64)
    return found


def _away(times: I64, index: I64, wanted: I64) -> I64:
    found: I64 = times[index] - wanted if len(times) else np.full(len(wanted), np.iinfo(np.int64).max, np.int64)
    return found


def _between(times: I64, keys: I64, grid_ns: I64, reach_ns: int) -> I64:
    """Images of the grid that are no key frames, up to the last key frame."""
    if len(keys) == 0:
        return np.empty(0, np.int64)
    index = nearest(times, grid_ns)
    found: I64 = np.setdiff1d(index[np.abs(_away(times, index, grid_ns)) <= reach_ns], keys)
    inside: I64 = found[(found > keys[0]) & (found < keys[-1])]
    return inside
