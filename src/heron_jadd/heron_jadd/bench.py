"""What a dataset costs, against floors measured in the same run: CPU time of one scene over that of the work that nobody can leave out.

The recording is made here: seven 1920x1280 cameras at 10 Hz, JPEGs of quality 90 and of a size as real ones have, with odometry, IMU, state and CAN.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from heron_bag.reader import open_bag
from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_can.frame import Frame, to_batch
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.rig import Rig, load_rig
from heron_core.signals import ImuSample
from heron_core.vehicle import Odometry, Signal, VehicleState
from heron_jadd.config import JaddConfig
from heron_jadd.create import create
from heron_jadd.job import Job
from heron_jadd.lenses import rectify_maps
from heron_jadd.recording import HUMAN, probe
from heron_jadd.scale import run as run_scale
from heron_jadd.scene import run_scene, sync
from heron_jadd.split import Scene, split

MS, S = 1_000_000, 1_000_000_000
START_NS = 1_700_000_000_000_000_000
SCENE_S, BEFORE_S, AFTER_S = 4.0, 2.0, 6.0
USUAL_S = 20.0  # as long as usual, where what a scene costs whatever its length would count too much
ROUNDS = 3
NOISY = 3  # times as many where writing 1 GB makes up most of the work: one round differs from the next by a third
PICTURES = 3  # different ones of each camera, shown in turn
QUALITY = 90
VIDEO_HZ = 30
FILMED = ("CAM_FRONT", "CAM_BACK")
COUNTS = (10, 100, 1000)  # 10,000 take a quarter of an hour
MANY_S = 2.0  # length of the scenes that two workers share: so many of them that neither waits long for the other
Image = NDArray[np.uint8]


def run(vehicle: Path, rounds: int = ROUNDS, workers_too: bool = True, counts: Sequence[int] = COUNTS) -> dict[str, float]:
    """Measures and returns the figures of `jadd.*` in bench.json.

    Args:
        vehicle: a car's folder: its rig, CAN mapping and DBC.
        rounds: interleaved repetitions, of which the medians count; `NOISY` times as many of what passes through.
        workers_too: also the speed of two processes, which takes long.
        counts: scenes of the datasets whose merging is measured.

    Returns:
        passthrough_ratio: CPU of a scene of `USUAL_S` over reading its stretch of the recording and writing its image files to the disk: 2 GB, of
        which nothing is left. undistort_ratio: of a short scene over decoding, remapping and encoding its images with OpenCV.
        h264_ratio: of a scene of `USUAL_S` over decoding the stretch and encoding the images that are kept.
        two_worker_speedup: wall time with one process over that with two; two_worker_floor: the same of decoding, remapping and encoding alone,
        which is what the machine's two cores give. merge.…: of `heron_jadd.scale.run`, with short scenes of one camera.
    """
    cv2.setNumThreads(1)
    rig = load_rig(vehicle / "rig.yaml")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        jpeg = _recording(root / "jpeg", rig, vehicle, max(SCENE_S, USUAL_S))
        video = _recording(root / "video", rig, vehicle, USUAL_S, films=FILMED)
        usual: dict[str, Any] = {"scene_s": USUAL_S, "shortest_s": USUAL_S}
        found = {
            "passthrough_ratio": _ratio(NOISY * rounds, root, jpeg, JaddConfig(pose="odometry", **usual, undistort=False), _read_and_write),
            "undistort_ratio": _ratio(rounds, root, jpeg, JaddConfig(pose="odometry", **_SHORT), _decode_remap_encode),
            "h264_ratio": _ratio(rounds, root, video, JaddConfig(pose="odometry", **usual, undistort=False, cameras=FILMED), _decode_and_encode),
        }
        if workers_too:
            found |= _speedups(root, _recording(root / "long", rig, vehicle, 4 * SCENE_S + 2.0))
        job = _job(jpeg, JaddConfig(pose="odometry", **_SHORT, undistort=False, cameras=FILMED[:1], rate_hz=2.0), root / "one")
        run_scene(job)
        found |= {f"merge.{name}": value for name, value in run_scale(job, counts, root).items()}
    return {name: round(value, 3) for name, value in found.items()}


_SHORT: dict[str, Any] = {"scene_s": SCENE_S, "shortest_s": SCENE_S}


def _ratio(rounds: int, root: Path, recording: Path, config: JaddConfig, floor: Callable[[Job, Path], None]) -> float:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(-1, rounds):  # the first warms up: caches, compiled maps, the disk
        for k, way in ((0, floor), (1, _ours)) if number % 2 else ((1, _ours), (0, floor)):
            out = root / f"{recording.name}-{config.undistort}-{number}-{k}"
            job = _job(recording, config, out)
            os.sync()  # a scene is synced to disk: it shall not pay for what others wrote
            began = time.process_time()
            way(job, out)
            if number >= 0:
                times[k].append(time.process_time() - began)
            shutil.rmtree(out)
    return median(times[1]) / median(times[0])


def _job(recording: Path, config: JaddConfig, out: Path) -> Job:
    """A scene that has all of its margins, for a new folder."""
    out.mkdir()
    probed = probe(recording, config.cameras)
    begin_ns = START_NS + round(BEFORE_S * S)
    return Job(probed, Scene(begin_ns, begin_ns + round(config.scene_s * S), HUMAN), config, out)


def _ours(job: Job, _: Path) -> None:
    run_scene(job)


def _read_and_write(job: Job, out: Path) -> None:
    """Reads the scene's stretch with what lies around it, as the tables need it, and writes the scene's images to the disk."""
    begin, end = _stretch(job)
    topics = set(job.recording.cameras.values())
    with open_bag(job.recording.path) as bag:
        for number, (topic, _, log_ns, raw) in enumerate(bag.messages(None, begin, end)):
            if topic in topics and job.scene.start_ns <= log_ns <= job.scene.end_ns:
                (out / f"{number}.jpg").write_bytes(raw)
    sync(out)


def _decode_remap_encode(job: Job, out: Path) -> None:
    cameras = {topic: camera for camera, topic in job.recording.cameras.items()}
    with open_bag(job.recording.path) as bag:
        for topic, ros_type, log_ns, raw in bag.messages(list(cameras), *_stretch(job)):
            if job.scene.start_ns <= log_ns <= job.scene.end_ns:
                lens = job.recording.rig.cameras[cameras[topic]].lens
                image = cv2.imdecode(bag.decode(ros_type, raw).data, cv2.IMREAD_COLOR)
                flat = cv2.remap(image, *rectify_maps(lens, 0.0), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
                (out / f"{log_ns}{cameras[topic]}.jpg").write_bytes(cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())


def _decode_and_encode(job: Job, out: Path) -> None:
    """Decodes from the same key frame on, and encodes what lies on the scene's grid."""
    decoders: dict[str, Any] = {topic: av.CodecContext.create("h264", "r") for topic in job.recording.cameras.values()}
    for decoder in decoders.values():
        decoder.thread_count = 1
    wanted = job.grid_ns
    begin, end = job.scene.start_ns - 5 * S, job.scene.end_ns + S // 2
    with open_bag(job.recording.path) as bag:
        for number, (topic, ros_type, log_ns, raw) in enumerate(bag.messages(list(decoders), begin, end)):
            (frame,) = decoders[topic].decode(av.Packet(bytes(bag.decode(ros_type, raw).data)))
            if np.abs(wanted - log_ns).min() < S // (2 * VIDEO_HZ):
                image = frame.to_ndarray(format="bgr24")
                (out / f"{number}.jpg").write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())


def _stretch(job: Job) -> tuple[int, int]:
    return job.scene.start_ns - round(BEFORE_S * S), job.scene.end_ns + round(AFTER_S * S)


def _speedups(root: Path, recording: Path) -> dict[str, float]:
    """Wall time with one process over that with two: of a dataset of undistorted images, and of the floor; each after the other twice."""
    config, probed = JaddConfig(pose="odometry", scene_s=MANY_S, shortest_s=MANY_S), probe(recording, ())
    jobs = [Job(probed, scene, config, root) for scene in split(probed, config).scenes]
    times: dict[tuple[str, int], list[float]] = {(name, workers): [] for workers in (1, 2) for name in ("two_worker_speedup", "two_worker_floor")}
    for number in range(2):
        for (name, workers), found in times.items():
            out = root / f"{name}-{workers}-{number}"
            began = time.perf_counter()
            if name == "two_worker_floor":
                with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as pool:
                    list(pool.map(_floor_of, jobs, repeat(out)))
            else:
                create([recording], out, config, workers)
            found.append(time.perf_counter() - began)
            shutil.rmtree(out)
    return {name: min(times[name, 1]) / min(times[name, 2]) for name, _ in times}


def _floor_of(job: Job, out: Path) -> None:
    folder = out / str(job.scene.start_ns)
    folder.mkdir(parents=True)
    _decode_remap_encode(job, folder)


def _recording(path: Path, rig: Rig, vehicle: Path, seconds: float, films: tuple[str, ...] = ()) -> Path:
    """A drive straight on, with the margins that a scene wants.

    Args:
        path: of the recording.
        rig: cameras.
        vehicle: folder of the car.
        seconds: between the margins.
        films: cameras that alone record, as H.264 at 30 Hz.
    """
    end = BEFORE_S + seconds + AFTER_S
    messages: list[tuple[int, str, object]] = []
    for name in films or rig.cameras:
        camera = rig.cameras[name]
        pictures = [_picture(camera.lens.height, camera.lens.width, 97 * k + len(name)) for k in range(PICTURES)]
        if films:
            messages += _video(name, camera.topic, pictures, round(end * VIDEO_HZ))
            continue
        jpegs = [read_only(cv2.imencode(".jpg", each, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].reshape(-1)) for each in pictures]
        for index in range(round(end * 10)):
            at = START_NS + index * 100 * MS
            messages.append((at, f"{camera.topic}/image/compressed", CameraFrame(name, at, at, "jpeg", jpegs[index % PICTURES])))
    for tick in range(round(end * 100)):
        at = START_NS + tick * 10 * MS
        frames = [Frame(at + k, 160 + 16 * (k % 4), bytes([0, k, 1, 2, 3, 4, 5, 6])) for k in range(22)]
        state = VehicleState(at, {"speed": Signal(8.0, 0, True), "steer": Signal(0.01, 0, True)})
        odometry = Odometry(at, 0.08 * tick, 0.0, 0.0, 8.0, 0.0)
        for topic, each in (
            ("/odom", odometry),
            ("/imu", ImuSample(at, 0, 0, 0, 0, 0, 9.81)),
            ("/vehicle/state", state),
            ("/can/tap", to_batch("vehicle", frames)),
        ):
            messages.append((at, topic, each))
    with BagWriter(path) as writer:
        for file in ("rig.yaml", "can.yaml", "vehicle.yaml", *(each.name for each in vehicle.glob("*.dbc"))):
            writer.attach(f"vehicle/{file}", (vehicle / file).read_bytes())
        for log_ns, topic, message in sorted(messages, key=lambda each: each[:2]):
            writer.add_topic(topic, ros_type_of(message))
            writer.write(topic, log_ns, serialise(message))
    return path


def _picture(height: int, width: int, seed: int) -> Image:
    """Edges and textures of all sizes: a JPEG of it is as large as one of a street."""
    rng = np.random.default_rng(seed)
    found = np.zeros((height, width, 3), np.float32)
    for size in (6, 24, 96, 384):
        noise = rng.normal(0.0, 28.0, (height * size // width + 2, size, 3)).astype(np.float32)
        found += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(150):
        corner = rng.integers(0, (width, height))
        cv2.rectangle(found, corner.tolist(), (corner + rng.integers(8, 160, 2)).tolist(), rng.uniform(-90, 90, 3).tolist(), -1)
    return np.clip(found + 118.0 + rng.normal(0.0, 4.0, found.shape), 0, 255).astype(np.uint8)


def _video(name: str, topic: str, pictures: list[Image], count: int) -> list[tuple[int, str, object]]:
    codec: Any = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = pictures[0].shape[1], pictures[0].shape[0], "yuv420p", Fraction(1, VIDEO_HZ)
    codec.options = {"bf": "0", "g": str(VIDEO_HZ), "preset": "ultrafast", "tune": "zerolatency", "b": "8M"}
    codec.bit_rate = 8_000_000
    found: list[tuple[int, str, object]] = []
    for index in range(count):
        moved = np.roll(pictures[index // VIDEO_HZ % PICTURES], 6 * index, axis=1)
        at = START_NS + round(index * S / VIDEO_HZ)
        for packet in codec.encode(av.VideoFrame.from_ndarray(moved, format="bgr24")):
            found.append((at, f"{topic}/video", CameraFrame(name, at, at, "h264", read_only(np.frombuffer(bytes(packet), np.uint8)))))
    return found
