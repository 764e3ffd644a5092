"""What ROS and this project add to the work itself: the `perception` process against bare decode + remap + inference of the same images.

Both see the generated recording's seven JPEG cameras at 10 Hz, in processes with the same environment. The bare loop is plain OpenCV and ONNX Runtime
without ROS: same decoder, scale, maps, graph and threads, images in memory. It runs before and after, so that a host that slows down hits both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import psutil

from heron_bag.native import camera_frames, camera_topics
from heron_bag.reader import open_bag
from heron_bringup.config import GeneratedConfig
from heron_bringup.drive.inputs import unpack_vehicle
from heron_bringup.drive.outcome import cache_folder
from heron_bringup.drive.report import read_component_reports
from heron_bringup.generated import ensure_generated
from heron_bringup.paths import config_folder, launch_folder
from heron_camera.config import FramesConfig
from heron_camera.decode import REDUCED
from heron_camera.picture import Picture, Plane
from heron_camera.preprocess import ViewSampler, limit_opencv_threads
from heron_camera.views import load_preprocessing, load_views
from heron_core.errors import HeronError
from heron_core.rig import load_rig
from heron_runtime.bench import domain
from heron_runtime.launch_reader import Process, parse
from heron_runtime.supervisor import Supervisor
from heron_vla.backends import choose_providers
from heron_vla.config import PolicyConfig
from heron_vla.contract import COMMAND_INPUT, EGO_INPUT
from heron_vla.folder import load_policy
from heron_vla.kinematic import ensure_kinematic

RATE_HZ = 10.0
LEAD_S = 6.0
WARM_UP_S = 2.0
WINDOW_S = 8.0
BARE_S = 4.0
_MIB = 2.0**20


@dataclass(frozen=True)
class Usage:
    """What a process used over its window: CPU milliseconds per frame set, resident memory at its start and end (MiB)."""

    cpu_ms: float
    start_mib: float
    end_mib: float


def run() -> dict[str, Any]:
    """The `pipeline` keys of `bench.json`.

    Raises:
        HeronError: the pipeline did not run to its end, or planned too little for a figure.
    """
    bag = ensure_generated(cache_folder().parent, GeneratedConfig())
    policy = ensure_kinematic(cache_folder() / "policies")
    with tempfile.TemporaryDirectory(prefix="heron-bench-") as scratch:
        out = Path(scratch)
        with open_bag(bag) as recording:
            vehicle = unpack_vehicle(recording, config_folder() / "vehicle" / "demo", out / "vehicle")
            first_ns = min(int(recording.log_times(topic)[0]) for topic in camera_topics(recording))
        processes = _graph(bag, vehicle, policy, out)
        before = _bare_process(bag, vehicle, policy, processes[0].env)
        used, planned = _perception(processes, first_ns, out)
        after = _bare_process(bag, vehicle, policy, processes[0].env)
    bare_ms = fmean([before, after])
    return {
        "pipeline": {
            "cpu_ratio": round(used.cpu_ms / bare_ms, 3),
            "perception_ms_per_set": round(used.cpu_ms, 2),
            "bare_ms_per_set": round(bare_ms, 2),
            "bare_spread": round(abs(before - after) / bare_ms, 3),
            "planned": planned,
            "rss_mib": round(used.end_mib, 1),
            "rss_growth_mib": round(used.end_mib - used.start_mib, 2),
        }
    }


def _graph(bag: Path, vehicle: Path, policy: Path, out: Path) -> list[Process]:
    """The process `perception` alone."""
    arguments = {
        "vehicle": str(vehicle),
        "policy": str(policy),
        "bag": str(bag),
        "profile": str(config_folder() / "profile" / "replay.yaml"),
        "report_dir": str(out / "components"),
    }
    return [process for process in parse(launch_folder() / "heron.launch.xml", arguments) if process.name == "perception"]


def _perception(processes: Sequence[Process], first_ns: int, out: Path) -> tuple[Usage, dict[str, int]]:
    """Runs the graph in real time; CPU and memory of `perception` from `WARM_UP_S` after the first image for `WINDOW_S`, and what was planned on."""
    offset_ns = time.time_ns() + round(LEAD_S * 1e9) - first_ns
    timed = [
        replace(process, components=tuple(replace(part, params={**part.params, "time_offset_ns": offset_ns}) for part in process.components))
        for process in processes
    ]
    alone = {**os.environ, "ROS_DOMAIN_ID": str(domain())}  # a graph of another terminal would be answered, and measured
    supervisor = Supervisor(timed, alone, out)
    readings: list[tuple[float, float]] = []

    def watch() -> bool:
        elapsed_s = (time.time_ns() - offset_ns - first_ns) / 1e9
        if elapsed_s >= WARM_UP_S + WINDOW_S * len(readings) and "perception" in supervisor.pids():
            process = psutil.Process(supervisor.pids()["perception"])
            times = process.cpu_times()
            readings.append((times.user + times.system, process.memory_info().rss / _MIB))
        return len(readings) == 2

    command = [sys.executable, "-m", "heron_runtime.bench", "states", "--offset-ns", str(offset_ns)]
    with subprocess.Popen(command, env={**alone, **processes[0].env}) as states:  # a policy plans only with the vehicle's state
        try:
            failed = [ended.explain() for ended in supervisor.run(watch) if ended.failed]
        finally:
            states.kill()
    if failed or len(readings) < 2:
        raise HeronError("\n".join(["the pipeline did not run to its end", *failed]))
    reports = {part["component"]: part["report"] for part in read_component_reports(out / "components")[0]}
    sets, plans = reports["frames"]["frame_sets"], reports["policy"]["plans"]
    if plans < 0.9 * sets["complete"]:
        raise HeronError(f"only {plans} of {sets['complete']} frame sets were planned on: the machine is too busy for a figure; run it again")
    (cpu_start, start_mib), (cpu_end, end_mib) = readings
    made = WINDOW_S * RATE_HZ * sets["published"] / sets["complete"]  # a set that was dropped is not work done
    return Usage((cpu_end - cpu_start) * 1e3 / made, start_mib, end_mib), {"sets": sets["complete"], "plans": plans}


def _bare_process(bag: Path, vehicle: Path, policy: Path, environment: dict[str, str]) -> float:
    """CPU milliseconds per set of the bare loop, in a process of its own with the containers' environment."""
    command = [sys.executable, "-m", "heron_bringup.bench_pipeline", str(bag), str(vehicle), str(policy)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout)["cpu_ms"])


def bare_cpu_ms(bag: Path, vehicle: Path, policy: Path, seconds: float = BARE_S) -> float:
    """CPU milliseconds of this process per set of images, at 10 Hz for `seconds` after warm-up; decode, remap and inference, nothing else."""
    step, _ = bare_step(bag, vehicle, policy)
    sets = round(seconds * RATE_HZ)
    start_s, cpu_start_s = time.monotonic(), 0.0
    for index in range(-round(WARM_UP_S * RATE_HZ), sets):
        if index == 0:
            start_s, cpu_start_s = time.monotonic(), time.process_time()
        step(index)
        time.sleep(max(0.0, start_s + (index + 1) / RATE_HZ - time.monotonic()) if index >= 0 else 0.0)
    return (time.process_time() - cpu_start_s) * 1e3 / sets


def bare_step(bag: Path, vehicle: Path, policy: Path) -> tuple[Callable[[int], None], dict[str, Any]]:
    """The bare loop's body, called with the number of the set (they repeat), and the images that it fills: graph input → (1, n, 3, h, w) uint8."""
    import onnxruntime

    limit_opencv_threads()
    rig, description, folder = load_rig(vehicle / "rig.yaml"), policy / "policy.yaml", load_policy(policy)
    views, mode = load_views(description, rig), load_preprocessing(description).mode
    samplers = [ViewSampler(view, rig.cameras[view.camera], mode) for view in views]
    moments = _jpegs(bag, [view.camera for view in views])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = PolicyConfig().threads
    session = onnxruntime.InferenceSession(str(folder.graph_path), options, providers=choose_providers(PolicyConfig().providers))
    history = folder.spec.ego_history
    given = {EGO_INPUT: np.zeros((1, history.steps, len(history.columns)), np.float32), COMMAND_INPUT: np.zeros(1, np.int64)}
    images = {name: np.zeros((1, *shape), np.uint8) for name, shape in folder.image_shapes.items()}
    outputs = [images[view.input][0, sum(other.input == view.input for other in views[:i])] for i, view in enumerate(views)]
    threads = ThreadPoolExecutor(FramesConfig("", "").threads)

    def fill(job: tuple[ViewSampler, Any, Any]) -> None:
        sampler, jpeg, out = job
        pixels = cv2.imdecode(jpeg, REDUCED[sampler.reduce])
        sampler.fill(Picture("bgr", (Plane(pixels, sampler.reduce, sampler.reduce),)), out)

    def step(index: int) -> None:
        list(threads.map(fill, zip(samplers, moments[index % len(moments)], outputs, strict=True)))
        session.run(None, {**given, **images})

    return step, images


def _jpegs(bag: Path, cameras: Sequence[str]) -> list[list[Any]]:
    """Encoded images of each moment of the recording, in the order of `cameras`."""
    found: dict[str, list[Any]] = {camera: [] for camera in cameras}
    with open_bag(bag) as recording:
        for _, frame in camera_frames(recording, camera_topics(recording)):
            if frame.camera in found:
                found[frame.camera].append(frame.data.copy())
    return [list(moment) for moment in zip(*found.values(), strict=True)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The bare side of the pipeline benchmark.")
    for argument in ("bag", "vehicle", "policy"):
        parser.add_argument(argument, type=Path)
    sys.stdout.write(json.dumps({"cpu_ms": bare_cpu_ms(**vars(parser.parse_args()))}))
