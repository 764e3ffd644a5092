"""What a plan costs on one core: the policy that ships, with all its views and an instruction, in each CPU backend by turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_bringup.drive.outcome import cache_folder
from heron_bringup.paths import shipped_policy
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_vla.backends import Choice
from heron_vla.contract import DRIVER
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.kinematic import ensure_kinematic
from heron_vla.session import OnnxPolicy

BACKENDS: tuple[Choice, ...] = ("onnxruntime", "openvino")
PLANS, LEAST_S = 30, 0.02
"""Turns of each backend, and CPU time of one turn at least: a small graph is run several times in it, so that the clock's steps do not count."""

SENTENCE = "turn right at the next junction"
SEED = 1


def run() -> dict[str, Any]:
    """The `model` keys of `bench.json`."""
    shipped = shipped_policy()
    return {"model": figures(shipped or ensure_kinematic(cache_folder() / "policies"))}


def figures(path: Path, plans: int = PLANS) -> dict[str, Any]:
    """CPU milliseconds of a policy's plans on one thread, medians.

    `plan_cpu_ms`: in the backend that drives; `best_backend_ratio`: that over the fastest, 1 when the choice was right.
    `driver_cpu_ms`: None where the policy has no graph for driving between two plans of its navigator; `driver` says so.

    Args:
        path: policy folder.
        plans: turns of each backend.
    """
    folder = load_policy(path)
    request = sample_request(folder)
    policies: dict[str, OnnxPolicy] = {name: OnnxPolicy(folder, threads=1, backend=name) for name in BACKENDS}
    chosen = OnnxPolicy(folder, threads=1).backend
    cost_ms = interleaved({name: partial(policy.plan, request) for name, policy in policies.items()}, plans)
    driver = DRIVER in folder.spec.graphs
    return {
        "policy": folder.spec.name,
        "views": len(folder.views),
        "backend": chosen,
        "plan_cpu_ms": round(cost_ms[chosen], 3),
        "best_backend_ratio": round(cost_ms[chosen] / min(cost_ms.values()), 3),
        **{f"{name}_cpu_ms": round(cost, 3) for name, cost in cost_ms.items()},
        "driver_cpu_ms": round(cost_ms[chosen], 3) if driver else None,
        "driver": "the only graph" if driver else "none: every plan is the navigator's",
    }


def sample_request(folder: PolicyFolder) -> PolicyInput:
    """What a policy is asked on the road: an image in each of its views, now and before, a moving car, a sentence if it reads any."""
    rng = np.random.default_rng(SEED)
    images: dict[str, NDArray[np.uint8]] = {}
    for name, shape in folder.image_shapes.items():
        images[name] = rng.integers(0, 256, shape, dtype=np.uint8)
        images[name].flags.writeable = False
    cameras = tuple(view.camera for view in folder.views)
    frames = FrameSet(0, folder.digest, cameras, (1,) * len(cameras), (True,) * len(cameras), images)
    ego = folder.spec.ego_history
    history = np.full((ego.steps, len(ego.columns)), 0.1, dtype=np.float32)
    return PolicyInput(frames, history, 0, SENTENCE if folder.language else "", (frames,) * (folder.spec.history.steps - 1))


def interleaved(works: Mapping[str, Callable[[], object]], turns: int, least_s: float = LEAST_S) -> dict[str, float]:
    """CPU milliseconds of this process per call, median over turns; every work has its turn in each round, so that a busy host hits all alike."""
    repeats = {name: _repeats(work, least_s) for name, work in works.items()}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            taken[name].append(_cpu_s([work] * repeats[name]) / repeats[name])
    return {name: 1e3 * median(seconds) for name, seconds in taken.items()}


def _repeats(work: Callable[[], object], least_s: float) -> int:
    return max(1, round(least_s / max(_cpu_s([work] * 3) / 3, 1e-6)))


def _cpu_s(works: Sequence[Callable[[], object]]) -> float:
    begin = time.process_time()
    for work in works:
        work()
    return time.process_time() - begin
