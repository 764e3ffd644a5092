"""The generated recording: the demonstration car on the calibration street, seven cameras and its bus; made on first use and kept."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from heapq import merge
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from heron_bag.serialise import ros_type_of, serialise
from heron_bag.writer import BagWriter
from heron_bringup import bus_traffic, street
from heron_bringup.config import GeneratedConfig
from heron_bringup.ego_motion import EgoMotion
from heron_bringup.lens_render import LensRenderer
from heron_bringup.paths import config_folder
from heron_can.car import load_car
from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.rig import Rig, load_rig
from heron_core.se2 import SE2
from heron_core.vehicle_model import load_vehicle_model

FOLDER = Path(".heron", "generated")
NAME = "calibration_street"
VEHICLE_FILES = ("rig.yaml", "vehicle.yaml", "limits.yaml")
MOST_WORKERS = 4  # each holds the rays of every camera and the street: about 0.5 GB
SHOTS_PER_WORKER = 20  # for fewer a process takes longer to start than it saves
_SOURCES = ("generated.py", "street.py", "street_paint.py", "scene.py", "lens_render.py", "ego_motion.py", "bus_traffic.py")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Shot:
    """One image to draw: which camera, when, from where."""

    camera: str
    exposure_ns: int
    log_ns: int
    ego: SE2


def ensure_generated(root: Path, config: GeneratedConfig | None = None, progress: Progress | None = None, vehicle: Path | None = None) -> Path:
    """The generated recording of the demonstration car, made if it is not there yet.

    Args:
        root: the repository (or any folder to keep it under); the recording lies in `root`/.heron/generated.
        config: what to generate.
        progress: called with images done and images in all; by default a bar on the terminal.
        vehicle: folder of the car; by default the demonstration car.

    Returns:
        Folder of the recording. It changes with the configuration, the car and the code that draws; older ones are removed.
    """
    wanted = config or GeneratedConfig()
    vehicle = vehicle or config_folder() / "vehicle" / "demo"
    folder = root / FOLDER
    target = folder / f"{NAME}-{digest(vehicle, wanted)[:10]}"
    if (target / "metadata.yaml").is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    partial = folder / f".partial-{os.getpid()}"
    try:
        generate(partial / target.name, vehicle, wanted, progress)
        try:
            (partial / target.name).rename(target)
        except OSError:
            if not (target / "metadata.yaml").is_file():  # else another process was faster, with the same bytes
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    for other in folder.glob(f"{NAME}-*"):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)
    return target


def digest(vehicle: Path, config: GeneratedConfig) -> str:
    """SHA-256 (hex) over all that the recording depends on: configuration, car, drawing code."""
    total = hashlib.sha256(repr(sorted(asdict(config).items())).encode())
    files = sorted(path for path in vehicle.iterdir() if path.is_file())
    for path in [*files, *(Path(__file__).with_name(name) for name in _SOURCES)]:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def generate(out: Path, vehicle: Path, config: GeneratedConfig | None = None, progress: Progress | None = None, workers: int | None = None) -> None:
    """Writes the recording into the new folder `out`; the same arguments give the same messages to the bit.

    Args:
        out: folder of the recording; must not exist.
        vehicle: folder of the car: rig.yaml, vehicle.yaml, limits.yaml, can.yaml and its DBC files.
        config: what to generate.
        progress: called with images done and images in all; by default a bar on the terminal.
        workers: processes that draw; by default one per core, 4 at most. With 1, this process draws.
    """
    wanted = config or GeneratedConfig()
    rig, car, model = load_rig(vehicle / "rig.yaml"), load_car(vehicle), load_vehicle_model(vehicle / "vehicle.yaml")
    lead_ns = round(wanted.lead_s * 1e9)
    zero_ns = wanted.start_ns + lead_ns
    end_ns = zero_ns + round((wanted.seconds + wanted.skew_s + wanted.camera_delay_s) * 1e9)
    motion = EgoMotion(-wanted.lead_s - 0.1, wanted.seconds + 1.0, wanted.seed)
    shots = _shots(rig, motion, wanted, zero_ns)
    batches = bus_traffic.can_batches(car, model, motion, wanted.start_ns, zero_ns, end_ns, wanted.seed)
    with BagWriter(out) as writer, _pool(rig, wanted, workers, len(shots)) as draw, _bar(progress, len(shots)) as advance:
        for name in VEHICLE_FILES:
            if (vehicle / name).is_file():
                writer.attach(f"vehicle/{name}", (vehicle / name).read_bytes(), "application/yaml")
        for name, data in car.attachments().items():
            writer.attach(f"vehicle/{name}", data)
        write = _Writer(writer)
        write("/tf_static", wanted.start_ns, replace(rig.transforms(), stamp_ns=wanted.start_ns), latched=True)
        for info in rig.infos():
            write(f"{rig.cameras[info.camera].topic}/camera_info", wanted.start_ns, replace(info, stamp_ns=wanted.start_ns), latched=True)
        for log_ns, topic, message in merge(_images(rig, shots, draw, advance), _taps(batches), key=lambda entry: entry[0]):
            write(topic, log_ns, message)


Entry = tuple[int, str, Any]


class _Writer:
    """Native messages into the recording."""

    def __init__(self, writer: BagWriter) -> None:
        self._writer = writer

    def __call__(self, topic: str, log_ns: int, message: Any, latched: bool = False) -> None:
        self._writer.add_topic(topic, ros_type_of(message), latched=latched)
        self._writer.write(topic, log_ns, serialise(message))


def _shots(rig: Rig, motion: EgoMotion, config: GeneratedConfig, zero_ns: int) -> list[Shot]:
    """All images, in order of arrival."""
    delay_ns = round(config.camera_delay_s * 1e9)
    skew_ns = round(config.skew_s * 1e9 / max(1, len(rig.cameras) - 1))
    shots = []
    for frame in range(config.frames):
        for index, camera in enumerate(rig.cameras):
            after_ns = round(frame * 1e9 / config.rate_hz) + index * skew_ns
            shots.append(Shot(camera, zero_ns + after_ns, zero_ns + after_ns + delay_ns, motion.at(after_ns / 1e9).pose))
    return sorted(shots, key=lambda shot: shot.log_ns)


def _images(rig: Rig, shots: list[Shot], draw: Callable[[list[Shot]], Iterator[bytes]], advance: Callable[[], None]) -> Iterator[Entry]:
    for shot, jpeg in zip(shots, draw(shots), strict=True):
        pixels = read_only(np.frombuffer(jpeg, np.uint8))
        frame = CameraFrame(shot.camera, shot.exposure_ns, shot.log_ns, "jpeg", pixels)
        yield shot.log_ns, f"{rig.cameras[shot.camera].topic}/image/compressed", frame
        advance()


def _taps(batches: Iterator[tuple[int, Any]]) -> Iterator[Entry]:
    return ((log_ns, "/can/tap", batch) for log_ns, batch in batches)


class Painter:
    """Draws shots of one rig: the street once, a renderer per camera when it is first asked for."""

    def __init__(self, rig: Rig, config: GeneratedConfig) -> None:
        self._rig = rig
        self._config = config
        self._street = street.build(config.seed)
        self._renderers: dict[str, LensRenderer] = {}

    def jpeg(self, shot: Shot) -> bytes:
        """The image as JPEG at the camera's full size."""
        lens = self._rig.cameras[shot.camera].lens
        renderer = self._renderers.get(shot.camera)
        if renderer is None:
            renderer = self._renderers[shot.camera] = LensRenderer(self._rig.cameras[shot.camera], self._config.scale)
        image = renderer.render(shot.ego, self._street.scene)
        if image.shape[:2] != (lens.height, lens.width):
            image = cv2.resize(image, (lens.width, lens.height), interpolation=cv2.INTER_CUBIC)
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, self._config.jpeg_quality])[1].tobytes()


_painter: Painter | None = None  # of a worker process


def _start_worker(rig: Rig, config: GeneratedConfig) -> None:
    global _painter
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends its workers
    parent = multiprocessing.parent_process()
    if parent is not None:  # a killed parent cannot end its workers, so they watch it
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    cv2.setNumThreads(1)
    _painter = Painter(rig, config)


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)


def _paint(shot: Shot) -> bytes:
    assert _painter is not None
    return _painter.jpeg(shot)


@contextmanager
def _pool(rig: Rig, config: GeneratedConfig, workers: int | None, shots: int) -> Iterator[Callable[[list[Shot]], Iterator[bytes]]]:
    """A function that draws shots in order, in as many processes as asked for."""
    count = min(workers or min(len(os.sched_getaffinity(0)), MOST_WORKERS, shots // SHOTS_PER_WORKER), shots)
    if count <= 1:
        painter = Painter(rig, config)
        yield lambda shots: map(painter.jpeg, shots)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, _start_worker, (rig, config))
    try:
        yield lambda shots: pool.map(_paint, shots, chunksize=2)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _bar(progress: Progress | None, total: int) -> Iterator[Callable[[], None]]:
    """A function to call after each image."""
    if progress is not None:
        done = iter(range(1, total + 1))
        yield lambda: progress(next(done), total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("images"), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("drawing the calibration street (once)", total=total)
        yield lambda: bar.advance(task)


def _remove_abandoned(folder: Path) -> None:
    """Removes what a killed process left half done."""
    for partial in folder.glob(".partial-*"):
        owner = partial.name.removeprefix(".partial-")
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(partial, ignore_errors=True)
