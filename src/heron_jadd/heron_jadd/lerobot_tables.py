"""Features of a LeRobot dataset and their values: what the columns of its tables are called, and what an episode's rows hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from heron_jadd.lerobot_stats import Stats
from heron_jadd.lerobot_steps import POSE, Steps

STATE, ACTION, EXPOSED = "observation.state", "action", "exposure_offset_s"
NUMBERED = ("frame_index", "episode_index", "index", "task_index")
Features = dict[str, dict[str, Any]]


def image_key(camera: str) -> str:
    """The feature of a camera's images."""
    return f"observation.images.{camera}"


def features(sizes: Mapping[str, tuple[int, int]], fps: int, state: Sequence[str], action: Sequence[str]) -> Features:
    """Of `info.json`.

    Args:
        sizes: camera → width, height of its video.
        fps: steps per second.
        state: names of its components.
        action: likewise.
    """
    found: Features = {}
    for camera, (width, height) in sizes.items():
        info = {"video.height": height, "video.width": width, "video.codec": "h264", "video.pix_fmt": "yuv420p", "video.fps": fps}
        info |= {"video.channels": 3, "video.is_depth_map": False, "has_audio": False}
        found[image_key(camera)] = {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": info}
    for key, names in ((STATE, state), (ACTION, action), ("pose", POSE), (EXPOSED, tuple(sizes))):
        found[key] = {"dtype": "float32", "shape": [len(names)], "names": list(names)}
    found["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    return found | {key: {"dtype": "int64", "shape": [1], "names": None} for key in NUMBERED}


def columns(steps: Steps, fps: int, state: Sequence[str], action: Sequence[str], tasks: Sequence[int], episode: int, first: int) -> dict[str, Any]:
    """Feature → values of an episode's n steps, (n,) or (n, k).

    The action is what the car did in the step that begins there: its mean acceleration, the other component as it is when the step ends.

    Args:
        steps: of the episode.
        fps: steps per second.
        state: names of its components.
        action: likewise.
        tasks: number of each step's.
        episode: its number.
        first: number of its first step in the dataset.
    """
    count = len(steps.stamp_ns)
    mean_accel = (steps.after["speed_mps"] - steps.values["speed_mps"]) * fps
    found = {
        STATE: np.stack([steps.values[name] for name in state], 1),
        ACTION: np.stack([mean_accel if name == "accel_mps2" else steps.after[name] for name in action], 1),
        "pose": steps.pose,
        EXPOSED: steps.offset_s,
        "timestamp": np.arange(count) / fps,
    }
    numbers = (np.arange(count), np.full(count, episode), np.arange(first, first + count), np.array(tasks))
    return {**{key: value.astype(np.float32) for key, value in found.items()}, **dict(zip(NUMBERED, numbers, strict=True))}


def data_schema(told: Features) -> Any:
    """Of the files of steps: videos are not in them."""
    kinds = {"float32": pa.float32(), "int64": pa.int64()}
    rows = {key: each for key, each in told.items() if each["dtype"] != "video"}
    many = {key: kinds[each["dtype"]] if each["shape"] == [1] else pa.list_(kinds[each["dtype"]], each["shape"][0]) for key, each in rows.items()}
    return pa.schema(list(many.items()))


def data_table(values: Mapping[str, Any], schema: Any) -> Any:
    """Steps of an episode as `data_schema` has them."""
    arrays = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        flat = pa.array(np.ravel(values[name]))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, kind.list_size) if pa.types.is_fixed_size_list(kind) else flat)
    return pa.table(arrays, schema=schema)


def episodes_table(row: Mapping[str, Any], stats: Mapping[str, Stats]) -> Any:
    """One episode's row of `meta/episodes`; equal types whatever the values."""
    found = {name: pa.array([value], _kind_of(value)) for name, value in row.items()}
    for key, each in stats.items():
        found |= {f"stats/{key}/{name}": pa.array([value], _kind_of(value)) for name, value in each.items()}
    return pa.table(found)


def _kind_of(value: Any) -> Any:
    if isinstance(value, list):
        return pa.list_(_kind_of(value[0]))
    return {int: pa.int64(), float: pa.float64(), str: pa.string()}[type(value)]
