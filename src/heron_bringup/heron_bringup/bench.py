"""The benchmarks behind `./heron bench`: name → what it runs; each returns its part of `bench.json`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

BENCHES: dict[str, str] = {
    "preprocess": "heron_bringup.bench:run_preprocess",
    "handover": "heron_bringup.bench:run_handover",
    "pipeline": "heron_bringup.bench_pipeline:run",
    "actuation": "heron_bringup.actuation.bench:run",
    "sim": "heron_bringup.bench_sim:run",
    "jadd": "heron_bringup.bench:run_jadd",
    "model": "heron_bringup.bench_model:run",
    "remote": "heron_bringup.bench_remote:run",
}


def bench(name: str) -> Callable[[], dict[str, Any]]:
    """The function behind a benchmark's name."""
    module, _, function = BENCHES[name].partition(":")
    found: Callable[[], dict[str, Any]] = getattr(importlib.import_module(module), function)
    return found


def run_preprocess() -> dict[str, Any]:
    """Seven images of the demonstration car's cameras, undistorted and shrunk, against OpenCV's plain way."""
    from heron_bringup.paths import config_folder
    from heron_camera.bench import run
    from heron_core.rig import load_rig

    return {"preprocess": {key: round(value, 3) for key, value in run(load_rig(config_folder() / "vehicle" / "demo" / "rig.yaml")).items()}}


def run_handover() -> dict[str, Any]:
    """Seven 7.4 MB images at 30 Hz, by reference and through DDS."""
    from heron_bringup.paths import config_folder
    from heron_runtime.bench import run

    return run(config_folder() / "dds" / "vehicle.xml")


def run_jadd() -> dict[str, Any]:
    """Scenes of seven 1920x1280 cameras, against reading, decoding and encoding alone."""
    from heron_bringup.paths import config_folder
    from heron_jadd.bench import run

    return {"jadd": run(config_folder() / "vehicle" / "demo")}
