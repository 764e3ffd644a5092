"""The files behind `./heron sim picture`."""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from heron_control.proving_ground.closed_loop import LoopCar
from heron_core.errors import InputError
from heron_core.rig import Rig
from heron_sim.drawing.labels import boxes
from heron_sim.drawing.snapshot import U8, boxed, depth_picture, from_above, ids_picture, pictures, sheet, views_of
from heron_sim.driving.moment import moment
from heron_sim.scenario import Scenario

SMALLEST, LARGEST = 32, 4096


def parse_size(text: str) -> tuple[int, int]:
    """`640x400` → width, height.

    Raises:
        InputError: anything else, or a size that no camera has.
    """
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"size {text!r}: expected WIDTHxHEIGHT, as 640x400")
    found = int(width), int(height)
    if not all(SMALLEST <= each <= LARGEST for each in found):
        raise InputError(f"size {text}: each side {SMALLEST} .. {LARGEST} pixels")
    return found


def write_moment(
    car: LoopCar, rig: Rig, scenario: Scenario, seed: int, at_s: float, latency_s: float, size: tuple[int, int], labels: bool, out: Path
) -> tuple[list[Path], str]:
    """Draws a moment into `out` → files, and what the expert said.

    Raises:
        InputError: no such moment.
    """
    found = moment(car, scenario, seed, at_s, latency_s)
    views = views_of(rig, size)
    drawn = pictures(found.town, found.truth, views, scenario.config.weather, seed, labels)
    cameras: dict[str, U8] = {name: each.image for name, each in drawn.items()}
    files = {f"{name}.png": image for name, image in cameras.items()}
    files["plan.png"] = from_above(found.town, found.route, found.truth, (2 * size[0], 2 * size[1]))
    files["sheet.jpg"] = sheet(cameras, found.town, found.route, found.truth)
    for name, each in drawn.items():
        if each.depth is not None and each.ids is not None:
            files[f"{name}_depth.png"], files[f"{name}_ids.png"] = depth_picture(each.depth), ids_picture(each.ids)
            files[f"{name}_boxes.png"] = boxed(each.image, boxes(views[name], found.truth, each.ids))
    out.mkdir(parents=True, exist_ok=True)
    for name, image in files.items():
        if not cv2.imwrite(str(out / name), image):
            raise OSError(None, "the picture could not be written", str(out / name))
    ego = found.truth.ego
    told = {"scenario": scenario.name, "seed": seed, "at_s": found.truth.time_s, "said": found.said, "speed_mps": ego.speed_mps}
    (out / "moment.json").write_text(json.dumps(told | {"actors": len(found.truth.actors)}, indent=2) + "\n", encoding="utf-8")
    return [out / name for name in (*files, "moment.json")], found.said
