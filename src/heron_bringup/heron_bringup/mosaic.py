"""The mosaic: all cameras of a run with the plan drawn into each, as a video and as one picture."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_bag.native import camera_topics
from heron_bag.reader import Bag, open_bag
from heron_bringup.config import MosaicConfig
from heron_bringup.mosaic_above import Backdrop, draw_above
from heron_bringup.mosaic_frames import pictures_at
from heron_bringup.mosaic_layout import Box, Layout, make_layout
from heron_bringup.path_overlay import draw_plan
from heron_core.errors import InputError
from heron_core.rig import Rig, load_rig
from heron_core.signals import ControlStatus, Explanation, Instruction
from heron_core.trajectory import Trajectory
from heron_core.vehicle import VehicleState

DARK, PANEL, WHITE, GREY, GREEN, AMBER = (18, 18, 18), (32, 29, 27), (240, 240, 240), (150, 150, 150), (110, 220, 90), (60, 180, 250)
FONT = cv2.FONT_HERSHEY_SIMPLEX
WORDS_PX = 56  # height of the line below the cameras, where there are words
SPEED_APART_NS = 200_000_000

U8 = NDArray[np.uint8]
Words = Instruction | Explanation


@dataclass(frozen=True)
class Moment:
    """What is said about one plan.

    Attributes:
        time_s: since the first plan.
        speed_mps: of the car, None unknown.
        plan_age_ms: exposure → plan ready, None unknown.
        to_can_ms: exposure → first command on the bus that follows this plan, None: none did.
        earlier_ms: `to_can_ms` of the plans before, for the curve.
        asked, said: what the route asks for and what the driver says it does; None: nobody says such things in this run.
    """

    plan: Trajectory
    time_s: float
    speed_mps: float | None
    plan_age_ms: float | None
    to_can_ms: float | None
    earlier_ms: Sequence[float] = field(default=())
    asked: str | None = None
    said: str | None = None


def exposure_to_can_ms(statuses: Iterable[ControlStatus]) -> dict[int, float]:
    """Exposure of a plan → milliseconds until the first frame on the bus that followed it."""
    found: dict[int, float] = {}
    for status in statuses:
        stages = status.stages
        if stages.exposure_ns and stages.can_written_ns:
            found.setdefault(stages.exposure_ns, (stages.can_written_ns - stages.exposure_ns) / 1e6)
    return found


def moments(plans: Sequence[Trajectory], states: Sequence[VehicleState], to_can_ms: Mapping[int, float], words: Sequence[Words] = ()) -> list[Moment]:
    """One per plan, in order of time."""
    spoken = deque(sorted(words, key=lambda word: word.stamp_ns))
    asked, said = ("", "") if words else (None, None)
    ordered = sorted(plans, key=lambda plan: plan.stamp_ns)
    stamps = np.array([state.stamp_ns for state in states], np.int64)
    found: list[Moment] = []
    earlier: list[float] = []
    latency: float | None = None  # of the plan before, where control's status was too slow for this one
    for plan in ordered:
        age = plan.stages.durations_ms().get("exposure_to_plan")
        latency = to_can_ms.get(plan.stages.exposure_ns or plan.stamp_ns, plan.stages.durations_ms().get("exposure_to_can", latency))
        speed = _speed(states, stamps, plan.stamp_ns)
        while spoken and spoken[0].stamp_ns <= plan.stamp_ns:
            word = spoken.popleft()
            asked, said = (word.text or word.manoeuvre, said) if isinstance(word, Instruction) else (asked, word.english)
        found.append(Moment(plan, (plan.stamp_ns - ordered[0].stamp_ns) / 1e9, speed, age, latency, tuple(earlier), asked, said))
        earlier += [] if latency is None else [latency]
    return found


def _speed(states: Sequence[VehicleState], stamps: NDArray[np.int64], stamp_ns: int) -> float | None:
    if not len(stamps):
        return None
    nearest = int(np.argmin(np.abs(stamps - stamp_ns)))
    return states[nearest].valid_value("speed") if abs(int(stamps[nearest]) - stamp_ns) <= SPEED_APART_NS else None


def make_mosaic(
    recording: Path,
    vehicle: Path,
    plans: Sequence[Trajectory],
    states: Sequence[VehicleState],
    out: Path,
    *,
    to_can_ms: Mapping[int, float] | None = None,
    title: str = "",
    words: Sequence[Words] = (),
    backdrop: Backdrop | None = None,
    config: MosaicConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Writes `out`/mosaic.mp4, one picture per plan at the plans' rate, and `out`/mosaic.jpg, the one in the middle.

    Args:
        recording: the cameras' recording, JPEG, H.264 or raw.
        vehicle: folder of the car, whose rig.yaml has lenses and poses.
        plans: in base_link at their stamps.
        states: for the speed, any rate.
        out: an existing folder.
        to_can_ms: see `exposure_to_can_ms`.
        title: stands in the corner, e.g. the policy.
        words: what the route asks for and what the driver says, at their stamps; they stand below the cameras.
        backdrop: what lies under the plan in the view from above, e.g. a map; None: nothing.
        config: sizes and quality.
        progress: called with pictures done and pictures in all.

    Returns:
        Video and picture; nothing without plans.

    Raises:
        InputError: the recording has no images of the rig's cameras.
    """
    if not plans:
        return ()
    settings = config or MosaicConfig()
    shown = moments(plans, states, to_can_ms or {}, words)
    with open_bag(recording) as bag:
        rig = seen_rig(bag, load_rig(vehicle / "rig.yaml"))
        topics = {topic: camera for topic, camera in camera_topics(bag).items() if camera in rig.cameras}
        layout = make_layout(rig, settings.width)
        widths = {name: box.width for name, box in layout.cameras.items()}
        whole = replace(layout, height=layout.height + WORDS_PX) if words else layout
        with _Video(out / "mosaic.mp4", whole, rate(plans), settings.crf) as video:
            pictures = pictures_at(bag, topics, [moment.plan.stamp_ns for moment in shown], widths)
            for index, (moment, images) in enumerate(zip(shown, pictures, strict=True)):
                canvas = draw_mosaic(rig, layout, images, moment, title, settings.half_width_m, backdrop)
                video.write(canvas)
                if index == len(shown) // 2:
                    _write_picture(out / "mosaic.jpg", canvas, settings.picture_quality)
                if progress:
                    progress(index + 1, len(shown))
    return out / "mosaic.mp4", out / "mosaic.jpg"


def seen_rig(bag: Bag, rig: Rig) -> Rig:
    """The rig without the cameras that the recording has no images of.

    Raises:
        InputError: none is left.
    """
    recorded = set(camera_topics(bag).values())
    cameras = {name: camera for name, camera in rig.cameras.items() if name in recorded}
    if not cameras:
        raise InputError(f"{bag.path}: has images of {', '.join(sorted(recorded)) or 'no camera'}, the rig has {', '.join(rig.cameras)}")
    return Rig(rig.name, cameras)


def rate(plans: Sequence[Trajectory]) -> Fraction:
    """Plans per second, from the median distance of their stamps; 10 for a single plan."""
    steps = np.diff(np.sort(np.array([plan.stamp_ns for plan in plans], np.int64)))
    steps = steps[steps > 0]
    return Fraction(1e9 / float(np.median(steps))).limit_denominator(100) if len(steps) else Fraction(10)


def draw_mosaic(
    rig: Rig, layout: Layout, images: Mapping[str, U8], moment: Moment, title: str, half_width_m: float, backdrop: Backdrop | None = None
) -> U8:
    """One picture of the mosaic, (height, width, 3) BGR."""
    canvas: U8 = np.full((layout.height, layout.width, 3), DARK, np.uint8)
    for name, box in layout.cameras.items():
        tile = canvas[box.y : box.y + box.height, box.x : box.x + box.width]
        if name in images:
            small = images[name].shape[1] >= box.width
            tile[:] = cv2.resize(images[name], (box.width, box.height), interpolation=cv2.INTER_AREA if small else cv2.INTER_LINEAR)
            drawn = np.ascontiguousarray(tile)
            draw_plan(drawn, rig.cameras[name], moment.plan.points, half_width_m)
            tile[:] = drawn
        else:
            _text(canvas, "no image", box.x + box.width // 2 - 40, box.y + box.height // 2, 0.6, GREY)
        label = name.removeprefix("CAM_").lower().replace("_", " ")
        _label(canvas, label, box)
    _draw_numbers(canvas, layout.numbers, moment, title)
    draw_above(canvas, layout.above, moment.plan, half_width_m, backdrop)
    if moment.asked is None and moment.said is None:
        return canvas
    words: U8 = np.vstack([canvas, np.full((WORDS_PX, layout.width, 3), PANEL, np.uint8)])
    size = layout.width / 1400.0
    _text(words, _cut(moment.asked or "", 0.62 * size, round(396 * size)), round(24 * size), layout.height + 36, 0.62 * size, AMBER)
    _text(words, moment.said or "", round(430 * size), layout.height + 37, 0.85 * size, WHITE, 2)
    return words


def _draw_numbers(canvas: U8, box: Box, moment: Moment, title: str) -> None:
    canvas[box.y : box.y + box.height, box.x : box.x + box.width] = PANEL
    size = min(box.height / 310, box.width / 460)
    x, y = box.x + round(22 * size), box.y + round(34 * size)
    _text(canvas, title or "heron", x, y, 0.62 * size, GREY)
    _text(canvas, f"{moment.time_s:.1f} s", box.x + box.width - round(92 * size), y, 0.62 * size, GREY)
    speed = "-" if moment.speed_mps is None else f"{3.6 * moment.speed_mps:.0f}"
    _text(canvas, speed, x, y + round(66 * size), 1.9 * size, WHITE, 2)
    _text(canvas, "km/h", x + round((44 * len(speed) + 6) * size), y + round(66 * size), 0.7 * size, GREY)
    rows = (
        ("plan age", "-" if moment.plan_age_ms is None else f"{moment.plan_age_ms:.0f} ms"),
        ("exposure to CAN", "-" if moment.to_can_ms is None else f"{moment.to_can_ms:.0f} ms"),
        ("plan reaches", f"{float(np.hypot(*moment.plan.points[-1, :2])):.0f} m in 4 s"),
    )
    for i, (name, value) in enumerate(rows):
        line = y + round((108 + 32 * i) * size)
        _text(canvas, name, x, line, 0.6 * size, GREY)
        _text(canvas, value, x + round(200 * size), line, 0.6 * size, WHITE)
    curve = Box(x, y + round(192 * size), box.width - round(44 * size), round(70 * size))
    values = [*moment.earlier_ms[-119:], *([] if moment.to_can_ms is None else [moment.to_can_ms])]
    _draw_curve(canvas, curve, values, size)


def _draw_curve(canvas: U8, box: Box, values_ms: Sequence[float], size: float) -> None:
    """Exposure → CAN of the last plans, oldest left, from 0 to at least 100 ms."""
    top = max(100.0, *values_ms) if values_ms else 100.0
    cv2.line(canvas, (box.x, box.y + box.height), (box.x + box.width, box.y + box.height), GREY, 1)
    budget = box.y + box.height - round(box.height * 100.0 / top)
    cv2.line(canvas, (box.x, budget), (box.x + box.width, budget), (70, 70, 70), 1)
    _text(canvas, "100 ms", box.x + box.width - round(58 * size), budget - 5, 0.42 * size, GREY)
    bar = max(1, box.width // 120)
    for i, value in enumerate(values_ms):
        height = round(box.height * value / top)
        x = box.x + i * bar
        cv2.rectangle(canvas, (x, box.y + box.height - height), (x + max(0, bar - 2), box.y + box.height - 1), GREEN if value <= 100.0 else AMBER, -1)


def _label(canvas: U8, text: str, box: Box) -> None:
    (width, height), _ = cv2.getTextSize(text, FONT, 0.5, 1)
    back = canvas[box.y : box.y + height + 14, box.x : box.x + width + 16]
    back[:] = back // 3
    _text(canvas, text, box.x + 8, box.y + height + 6, 0.5, WHITE)


def _cut(text: str, size: float, room_px: int) -> str:
    """As much of a text as has room."""
    if cv2.getTextSize(text, FONT, size, 1)[0][0] <= room_px:
        return text
    end = min(len(text), room_px)
    while end and cv2.getTextSize(f"{text[:end]}...", FONT, size, 1)[0][0] > room_px:
        end -= 1
    return f"{text[:end]}..."


def _text(canvas: U8, text: str, x: int, y: int, size: float, colour: tuple[int, int, int], thick: int = 1) -> None:
    cv2.putText(canvas, text, (x, y), FONT, size, colour, thick, cv2.LINE_AA)


class _Video:
    """An H.264 video of equal pictures; appears under its name when it is whole."""

    def __init__(self, path: Path, layout: Layout, frames_per_s: Fraction, crf: int) -> None:
        import av

        self._path, self._partial = path, path.with_suffix(".partial")
        self._container: Any = av.open(str(self._partial), "w", format="mp4", options={"movflags": "+faststart"})
        self._stream: Any = self._container.add_stream("libx264", rate=frames_per_s, options={"crf": str(crf), "preset": "veryfast"})
        self._stream.width, self._stream.height, self._stream.pix_fmt = layout.width, layout.height, "yuv420p"
        self._frame_class = av.VideoFrame

    def __enter__(self) -> _Video:
        return self

    def write(self, picture: U8) -> None:
        """Adds a picture (h, w, 3) BGR."""
        for packet in self._stream.encode(self._frame_class.from_ndarray(picture, format="bgr24")):
            self._container.mux(packet)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        if kind is None:
            self._partial.rename(self._path)
        else:
            self._partial.unlink(missing_ok=True)


def _write_picture(path: Path, image: NDArray[np.uint8], quality: int) -> None:
    if not cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality]):
        raise OSError(errno.EIO, "the picture cannot be written (is the disk full?)", str(path))
