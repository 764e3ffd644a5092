"""Where each camera's picture stands in the mosaic: as the cameras stand on the car."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from heron_core.rig import Rig, RigCamera

GAP_PX = 4
BARE_BAND_PX = 260  # height of the middle band when no camera stands in it


@dataclass(frozen=True)
class Box:
    """A place in the mosaic, pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """The mosaic's size, a place for each camera, and the places of the numbers and of the view from above."""

    width: int
    height: int
    cameras: Mapping[str, Box]
    numbers: Box
    above: Box


def heading_rad(camera: RigCamera) -> float:
    """Direction of the optical axis in base_link, left positive, (-pi, pi]."""
    axis = camera.pose.rotation[:, 2]
    return math.atan2(float(axis[1]), float(axis[0]))


def rows(rig: Rig) -> tuple[list[str], list[str], list[str]]:
    """Names of the cameras in the front row, in the middle (narrow ones, behind a wider camera that looks the same way) and in the back row.

    Left of the car is on the left in every row.
    """
    front: list[RigCamera] = []
    middle: list[RigCamera] = []
    back: list[RigCamera] = []
    by_focal = sorted(rig.cameras.values(), key=lambda camera: camera.lens.fx / camera.lens.width)
    for camera in by_focal:
        heading = heading_rad(camera)
        if abs(heading) > math.radians(100):
            back.append(camera)
        elif any(abs(heading_rad(other) - heading) < math.radians(20) for other in front):
            middle.append(camera)
        else:
            front.append(camera)
    front.sort(key=lambda camera: -heading_rad(camera))
    middle.sort(key=lambda camera: -heading_rad(camera))
    back.sort(key=lambda camera: heading_rad(camera) % (2 * math.pi))
    return [c.name for c in front], [c.name for c in middle], [c.name for c in back]


def make_layout(rig: Rig, width: int) -> Layout:
    """The layout for a rig of any size, `width` pixels wide (made even)."""
    width -= width % 2
    front, middle, back = rows(rig)
    columns = max(len(front), len(back), len(middle) + 2 if middle else 1)
    tile = (width - (columns - 1) * GAP_PX) // columns
    boxes: dict[str, Box] = {}
    y = _row(rig, front, tile, width, 0, boxes)
    height = _height(rig, middle, tile) or BARE_BAND_PX
    _row(rig, middle, tile, width, y, boxes)
    side = (width - len(middle) * (tile + GAP_PX) - GAP_PX) // 2
    numbers, above = Box(0, y, side, height), Box(width - side, y, side, height)
    y += height + (GAP_PX if back else 0)
    y = _row(rig, back, tile, width, y, boxes, last=True)
    return Layout(width, y + y % 2, boxes, numbers, above)


def _row(rig: Rig, names: list[str], tile: int, width: int, y: int, boxes: dict[str, Box], last: bool = False) -> int:
    """Places a row in the middle of the width; returns where the next one starts."""
    x = (width - len(names) * tile - max(0, len(names) - 1) * GAP_PX) // 2
    for name in names:
        boxes[name] = Box(x, y, tile, _height(rig, [name], tile))
        x += tile + GAP_PX
    return y + _height(rig, names, tile) + (0 if last or not names else GAP_PX)


def _height(rig: Rig, names: list[str], tile: int) -> int:
    return max((round(tile * rig.cameras[name].lens.height / rig.cameras[name].lens.width) for name in names), default=0)
