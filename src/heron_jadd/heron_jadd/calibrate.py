"""Measures `costs.Costs` on this machine: `python -m heron_jadd.calibrate RECORDING...`; recordings of JPEGs, and best such that differ.

The first has fixes and states. Without one that has CAN alone, the costs of fusing poses of CAN stay as they were.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from heron_bag.reader import open_bag
from heron_jadd.can_motion import TAP
from heron_jadd.config import JaddConfig
from heron_jadd.costs import Costs, Work, yardstick_s
from heron_jadd.create import create
from heron_jadd.estimate import estimate, jobs_of_all
from heron_jadd.forecast import Forecaster
from heron_jadd.prices import Prices
from heron_jadd.publish import table_bytes
from heron_jadd.recording import STATUS, fused_of_can, probe
from heron_jadd.sample_images import sample_images
from heron_jadd.scene import run_scene
from heron_jadd.tracks import make_track
from heron_jadd.trial import FUSED_TOPICS

WAYS: tuple[dict[str, Any], ...] = ({"rate_hz": 2.0}, {"rate_hz": 10.0}, {"rate_hz": 10.0, "boxes": False})

FREE = Prices("none", 0.0, 0.0, 0.0, 0.0)


def calibrate(paths: list[Path], rounds: int = 2) -> Costs:
    """Costs, each in terms of a yardstick that is laid down beside it; least squares over recordings, rates, cameras and boxes."""
    stick = yardstick_s()
    found: dict[str, list[tuple[tuple[float, ...], float]]] = {name: [] for name in ("probe", "fuse", "fuse_can", "scene", "merge", "size")}
    first_s: list[tuple[Work, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for path, number in itertools.product(paths, range(rounds)):
            for way, alone in itertools.product(WAYS, (False, True)):
                recording = probe(path)
                chosen = tuple(recording.cameras)[:1] if alone else ()
                recording = probe(path, chosen)
                config = JaddConfig(undistort=False, cameras=chosen, **way)
                out = Path(folder) / f"{recording.identity}-{number}-{len(found['merge'])}"
                jobs, _ = jobs_of_all([recording], out, config)
                with open_bag(path) as bag:
                    forecaster = Forecaster(bag, recording, sample_images(bag, recording, config, 1))
                    works = [forecaster.of(job).work for job in jobs]
                    counts, of_can = {topic: info.count for topic, info in bag.topics.items()}, fused_of_can(bag)
                found["probe"].append(((1.0, counts.get(STATUS, 0)), _cost(partial(probe, path), stick)))
                if jobs[0].config.pose == "fusion":
                    fused_s = _cost(partial(make_track, out, recording), stick)
                    messages = sum(counts.get(topic, 0) for topic in FUSED_TOPICS)
                    first = float(not found["fuse"] and not found["fuse_can"])
                    if of_can:
                        found["fuse_can"].append(((first, counts[TAP], forecaster.size_mb), fused_s))
                    else:
                        found["fuse"].append(((first, messages), fused_s))
                for job, work in zip(jobs, works, strict=True):
                    cost = _cost(partial(run_scene, job), stick)
                    if first_s:
                        found["scene"].append((dataclasses.astuple(work), cost))
                    else:
                        first_s.append((work, cost))
                merged_s = _cost(partial(create, [path], out, config), stick) - found["probe"][-1][1]
                total = dataclasses.replace(sum(works, Work()), read_mb=0.0, written_mb=0.0)
                found["merge"].append(((1.0, *dataclasses.astuple(total)), merged_s))
                found["size"].append(((1.0, *dataclasses.astuple(total)), float(table_bytes(out))))
                shutil.rmtree(out)
    fitted = {name: _fit(name, *(np.array(column) for column in zip(*rows, strict=True))) for name, rows in found.items() if rows}
    of_can_s = fitted.get("fuse_can", [0.0, Costs.can_fused_s, Costs.can_read_s])
    scene = Work(*fitted["scene"])
    costs = Costs(
        yardstick_s=stick,
        recording_s=fitted["probe"][0],
        status_s=fitted["probe"][1],
        first_fused_s=fitted["fuse"][0],
        fused_s=fitted["fuse"][1],
        can_fused_s=of_can_s[1],
        can_read_s=of_can_s[2],
        start_s=0.0,
        process_s=_process_s(),
        first_s=round(max(first_s[0][1] - first_s[0][0].times(scene), 0.0), 3),
        scene=scene,
        merge_s=fitted["merge"][0],
        merge=Work(*fitted["merge"][1:]),
        table_bytes=Work(*fitted["size"][1:]),
    )
    return dataclasses.replace(costs, start_s=_start_s(paths[0], costs, rounds))


def _start_s(path: Path, costs: Costs, rounds: int) -> float:
    """What a run in a process of its own takes beyond what the costs explain."""
    config, beyond = JaddConfig(undistort=False, rate_hz=5.0), []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            expected = estimate(jobs_of_all([probe(path)], Path(folder), config)[0], FREE, costs=costs).whole_cpu_s
            beyond.append(_whole_s(path, Path(folder), config) - expected)
    return round(max(float(np.median(beyond)), 0.0), 3)


def _cost(what: Callable[[], object], stick: float) -> float:
    """CPU seconds of it, as if the machine were as fast as when the yardstick was first laid down."""
    yardstick_s()  # settles what the work before left behind
    before = yardstick_s()
    began = time.process_time()
    what()
    spent = time.process_time() - began
    return spent * stick / before  # not of one laid down after it: that finds caches as the work left them, which an estimate does not


def _fit(name: str, work: NDArray[np.float64], cost: NDArray[np.float64]) -> list[float]:
    """What one of each kind costs: not negative; small costs count as much as large ones, and the mean is that of the measurements."""
    scale = work.max(0)
    scale[scale == 0.0] = 1.0
    weight = np.full(len(cost), cost.mean())
    for _ in range(10):  # weighed by the costs as measured, one that was disturbed would count for less, and all would look cheaper
        found = nnls(work / scale / weight[:, None], cost / weight)[0] / scale
        weight = np.maximum(work @ found, 0.01 * cost.mean())
    off = cost / weight - 1.0
    print(f"{name}: {len(cost)} measurements, off by {np.abs(off).mean():.0%} in the mean, {np.abs(off).max():.0%} at most", file=sys.stderr)
    return [float(f"{value:.3g}") for value in found]


def _whole_s(path: Path, out: Path, config: JaddConfig) -> float:
    """CPU seconds of a whole run in a process of its own, which does everything for the first time."""
    code = (
        "import sys, time; from pathlib import Path; from heron_jadd.config import JaddConfig; from heron_jadd.create import create; "
        "began = time.process_time(); create([Path(sys.argv[1])], Path(sys.argv[2]), JaddConfig(rate_hz=float(sys.argv[3]), undistort=False)); "
        "print(time.process_time() - began)"
    )
    command = [sys.executable, "-c", code, str(path), str(out), str(config.rate_hz)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _process_s() -> float:
    """CPU seconds of a process that only loads what makes scenes."""
    before = os.times()
    subprocess.run([sys.executable, "-c", "import heron_jadd.create"], check=True)
    after = os.times()
    return round(after.children_user + after.children_system - before.children_user - before.children_system, 2)


if __name__ == "__main__":
    print(calibrate([Path(path) for path in sys.argv[1:]]))
