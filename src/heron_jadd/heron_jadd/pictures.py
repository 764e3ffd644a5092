"""A dataset at a glance, as one picture: a map of its drives, how it was driven, who is around, and scenes as the front camera saw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from heron_jadd.info import Histogram, Info, Track
from heron_jadd.recording import HERON, HUMAN, REFERENCE, UNKNOWN
from heron_jadd.table_reader import F64, Tables, distinct

if TYPE_CHECKING:
    from matplotlib.axes import Axes

U8 = NDArray[np.uint8]
COLOURS = {HERON: "#1f77b4", HUMAN: "#e6820e"}
OTHER_COLOUR = "#7f7f7f"  # scenes in which both drive
BAR_COLOUR = "#9cc0de"
DRIVES, SCENES = 20, 8  # at most, on the map and on the contact sheet
MOMENTS = ("start", "middle", "end")
THUMB_PX = (216, 135)
BLOCKS, BLOCK_GAP_PX, GAP_PX, STRIP_PX = 2, 16, 4, 20
GREY = 200
DPI = 100
WIDTH_IN, TOP_IN = 14.0, 5.6


@dataclass(frozen=True)
class Shot:
    """One scene on the contact sheet: what is written above it, and files of its first, middle and last image."""

    title: str
    files: tuple[Path, ...]


def shots(path: Path) -> tuple[str, list[Shot]]:
    """Scenes for a contact sheet, evenly spread over the dataset, and the camera that saw them.

    Raises:
        InputError: it is no dataset, or damaged.
    """
    tables = Tables(path)
    channels = set(tables.file("sensors").read(columns=["channel"])["channel"].to_pylist())
    camera = REFERENCE if REFERENCE in channels else min(channels)
    chosen = sorted({round(k) for k in np.linspace(0, len(tables.scenes) - 1, SCENES)})
    files: dict[int, list[tuple[int, str]]] = {number: [] for number in chosen}
    for scene, (channel, key, stamp_ns, file) in tables.groups("frames", "channel", "is_key_frame", "stamp_ns", "file", scenes=chosen):
        names, which = distinct(channel)
        mine = np.flatnonzero(np.isin(scene, chosen) & key.to_numpy() & (np.array(names) == camera)[which])
        for number, *image in zip(scene[mine].tolist(), stamp_ns.take(mine).to_pylist(), file.take(mine).to_pylist(), strict=True):
            files[number].append((image[0], image[1]))
    found = []
    for number in chosen:
        scene_row, seen = tables.scenes[number], [path / file for _, file in sorted(files[number])]
        lasts = (scene_row["end_ns"] - scene_row["start_ns"]) / 1e9
        title = f"{scene_row['name']}   {scene_row['recording'][:8]}   {lasts:.1f} s   {scene_row['driver']} drives   {scene_row['split']}"
        found.append(Shot(title, tuple(seen[round(share * (len(seen) - 1))] for share in (0.0, 0.5, 1.0)) if seen else ()))
    return camera, found


def draw(info: Info, out: Path) -> None:
    """Draws a dataset into a PNG.

    Raises:
        InputError: the dataset is damaged.
        OSError: the picture cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    camera, chosen = shots(info.path)
    sheet = contact_sheet(chosen)
    sheet_in = sheet.shape[0] / DPI
    height_in = TOP_IN + sheet_in + 0.7
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    top = figure.add_gridspec(
        2,
        3,
        width_ratios=(2.1, 1.0, 1.0),
        left=0.025,
        right=0.985,
        top=1.0 - 0.68 / height_in,
        bottom=1.0 - TOP_IN / height_in,
        hspace=0.5,
        wspace=0.3,
    )
    figure.text(0.025, 1.0 - 0.3 / height_in, _headline(info), fontsize=13, weight="bold", va="center")
    _map(figure.add_subplot(top[:, 0]), info.tracks)
    _histogram(figure.add_subplot(top[0, 1]), info.speed_mps, 3.6, "speed, km/h")
    if info.steer_rad is not None:
        _histogram(figure.add_subplot(top[0, 2]), info.steer_rad, math.degrees(1.0), "steering of the road wheels, ° to the left", log=True)
    else:
        _histogram(figure.add_subplot(top[0, 2]), info.yaw_rate_rps, math.degrees(1.0), "yaw rate, °/s to the left", log=True)
    _bars(figure.add_subplot(top[1, 1]), {name: count["boxes"] for name, count in info.boxes.items()}, "boxes")
    _bars(figure.add_subplot(top[1, 2]), info.said["explanations"] or info.said["instructions"], _said(info))
    axes = figure.add_axes((0.025, 0.12 / height_in, sheet.shape[1] / DPI / WIDTH_IN, sheet_in / height_in))
    axes.imshow(sheet, interpolation="none", aspect="auto")
    axes.set_axis_off()
    which = "every scene" if len(chosen) == info.scenes else f"{len(chosen)} of {info.scenes:,} scenes"
    axes.set_title(f"{camera}: {', '.join(MOMENTS)} of {which}", fontsize=10, loc="left")
    figure.savefig(out, dpi=DPI)


def contact_sheet(chosen: Sequence[Shot]) -> U8:
    """(h, w, 3) red, green, blue: a row for each scene, in two blocks side by side; grey: no image."""
    import cv2

    rows = -(-len(chosen) // BLOCKS)
    thumb_w, thumb_h = THUMB_PX
    width, height = len(MOMENTS) * (thumb_w + GAP_PX), thumb_h + STRIP_PX + GAP_PX
    out: U8 = np.full((rows * height, BLOCKS * (width + BLOCK_GAP_PX) - BLOCK_GAP_PX, 3), 255, np.uint8)
    for k, shot in enumerate(chosen):
        left, top = k // rows * (width + BLOCK_GAP_PX), k % rows * height
        cv2.putText(out, shot.title, (left, top + STRIP_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
        for number in range(len(MOMENTS)):
            x, y = left + number * (thumb_w + GAP_PX), top + STRIP_PX
            out[y : y + thumb_h, x : x + thumb_w] = thumbnail(shot.files[number], thumb_w, thumb_h) if shot.files else GREY
    return out


def thumbnail(path: Path, width: int, height: int) -> Any:
    """(height, width, 3) red, green, blue, cut evenly to that shape; grey with a cross where the image cannot be read."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2) if path.is_file() else None
    if image is None:
        grey = np.full((height, width, 3), GREY, np.uint8)
        return cv2.line(cv2.line(grey, (0, 0), (width, height), (120, 120, 120), 1), (0, height), (width, 0), (120, 120, 120), 1)
    rows, columns = image.shape[:2]
    kept_h, kept_w = min(rows, round(columns * height / width)), min(columns, round(rows * width / height))
    top, left = (rows - kept_h) // 2, (columns - kept_w) // 2
    return cv2.resize(image[top : top + kept_h, left : left + kept_w], (width, height), interpolation=cv2.INTER_AREA)[..., ::-1]


def _headline(info: Info) -> str:
    parts = f"{info.recordings:,} recordings, {info.scenes:,} scenes, {info.samples:,} samples, {info.images:,} images"
    return f"{info.path.resolve().name}: {parts}, {info.seconds / 60.0:,.1f} min, {info.metres / 1000.0:,.2f} km"


def _said(info: Info) -> str:
    return "explanations" if info.said["explanations"] else "instructions"


def _map(axes: Axes, tracks: Sequence[Track]) -> None:
    """Each recording in a cell of its own, all to one scale: their map frames have nothing to do with each other."""
    drives: dict[str, list[Track]] = {}
    for track in tracks:
        drives.setdefault(track.recording, []).append(track)
    shown = [list(drives)[k] for k in sorted({round(k) for k in np.linspace(0, len(drives) - 1, min(DRIVES, len(drives)))})]
    corners = {name: _corners([track.places for track in drives[name]]) for name in shown}
    size = np.max([high - low for low, high in corners.values()], axis=0) if corners else np.ones(2)
    size = np.maximum(size, 0.02 * max(float(size.max()), 1.0))  # a straight drive has no height
    cell = size + 0.12 * size.max()
    columns = min(range(1, len(shown) + 1), key=lambda n: _loss(n, len(shown), cell)) if shown else 1
    for k, name in enumerate(shown):
        low, high = corners[name]
        shift = np.array([k % columns, -(k // columns)]) * cell - (low + high) / 2.0
        for track in drives[name]:
            x, y = (track.places + shift).T
            axes.plot(x, y, color=COLOURS.get(track.driver, OTHER_COLOUR), linewidth=2.0)
        start = drives[name][0].places[0] + shift
        axes.plot(*start, "o", color="#222222", markersize=4)
        axes.annotate(name[:8], (start[0], start[1]), xytext=(4, 5), textcoords="offset points", fontsize=7, color="#555555")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(xticks=[], yticks=[])
    axes.margins(0.06)
    _scale_bar(axes, float(size.max()))
    for driver in dict.fromkeys(track.driver for track in tracks):
        label = f"{driver} drives" if driver in COLOURS else "nobody knows who drives" if driver == UNKNOWN else "both drive"
        axes.plot([], [], color=COLOURS.get(driver, OTHER_COLOUR), linewidth=2.0, label=label)
    axes.legend(loc="lower right", fontsize=8, framealpha=0.8)
    count = f"{len(shown)} of {len(drives):,} recordings" if len(shown) < len(drives) else "all recordings"
    axes.set_title(f"drives, from the dot on: {count}, each in its own frame, one scale", fontsize=10, loc="left")


def _corners(places: Sequence[F64]) -> tuple[F64, F64]:
    every = np.concatenate(places)
    return every.min(0), every.max(0)


def _loss(columns: int, count: int, cell: F64) -> float:
    """How far a grid of so many columns is from the shape of the map, 1.45 times as wide as high."""
    rows = -(-count // columns)
    return abs(math.log(columns * cell[0] / (rows * cell[1]) / 1.45))


def _scale_bar(axes: Axes, extent_m: float) -> None:
    power = 10.0 ** math.floor(math.log10(max(extent_m, 1.0) / 4.0))
    length = max(each * power for each in (1.0, 2.0, 5.0) if each * power <= max(extent_m, 1.0) / 4.0 + 1e-9)
    (x, _), (y, _) = axes.get_xlim(), axes.get_ylim()
    axes.plot([x, x + length], [y, y], color="#222222", linewidth=3.0, solid_capstyle="butt")
    axes.annotate(f"{length:g} m" if length < 1000.0 else f"{length / 1000.0:g} km", (x, y), xytext=(0, 5), textcoords="offset points", fontsize=8)


def _histogram(axes: Axes, found: Histogram, scale: float, label: str, log: bool = False) -> None:
    used = np.flatnonzero(found.seconds)
    first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    edges = found.edges[first : last + 1] * scale
    unit_s, unit = (60.0, "minutes") if found.seconds.sum() > 600.0 else (1.0, "seconds")
    axes.bar(edges[:-1], found.seconds[first:last] / unit_s, np.diff(edges), align="edge", color=BAR_COLOUR, edgecolor="white", linewidth=0.4)
    if log and len(used):
        axes.set_yscale("log")
    axes.set_ylabel(unit, fontsize=8)
    axes.set_title(label, fontsize=10, loc="left")
    axes.tick_params(labelsize=8)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)


def _bars(axes: Axes, counts: Any, label: str) -> None:
    names = list(counts)[:10][::-1]
    axes.set_title(label if names else f"no {label}", fontsize=10, loc="left")
    if not names:
        axes.set_axis_off()
        return
    axes.barh(range(len(names)), [counts[name] for name in names], color=BAR_COLOUR)
    for k, name in enumerate(names):
        axes.annotate(
            f"{name.removeprefix('movable_object.')}  {counts[name]:,}", (0, k), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set(xticks=[], yticks=[])
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
