"""Files of nuScenes' CAN bus expansion: which there are, the statistics in `meta`, and their bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = list[dict[str, Any]]
NO_CAN_DATA = frozenset([*range(161, 169), *range(170, 177), *range(309, 315)])  # scene numbers for which the devkit raises
# message → its name in `meta`; the devkit reads these in lower case
CAN_MESSAGES: Mapping[str, str] = {
    "ms_imu": "MS_IMU",
    "pose": "POSE",
    "steeranglefeedback": "SteerAngleFeedback",
    "vehicle_monitor": "VEHICLE_MONITOR",
    "zoe_veh_info": "ZOE_VEH_INFO",
    "zoesensors": "ZoeSensors",
}
MESSAGES = (*CAN_MESSAGES, "meta", "route")


def meta(rows: Rows, digits: int) -> dict[str, Any]:
    """Statistics of one message as nuScenes has them.

    Frequency is count over timespan; the spread is the population's. Of a vector, all numbers of all rows are taken together, and `_diff` is of
    neighbours within a row, not of consecutive rows as the README says: so it is in nuScenes' files, with which these shall compare.
    """
    if not rows:
        return {"message_count": 0, "message_freq": None, "timespan": None, "var_stats": None}
    span_s = (rows[-1]["utime"] - rows[0]["utime"]) / 1e6
    stats = {name: _stats(np.array([row[name] for row in rows]), digits) for name in rows[0]}
    return {"message_count": len(rows), "message_freq": round(len(rows) / span_s, digits) if span_s else None, "timespan": span_s, "var_stats": stats}


def write_can_bus(folder: Path, scene_name: str, messages: Mapping[str, Any]) -> list[Path]:
    """Writes `can_bus/<scene>_<message>.json` under the dataset's folder, the same bytes for the same messages; the files' paths.

    Raises:
        ValueError: a name that the devkit does not read, a message that is missing or unknown, or a number that JSON does not know.
    """
    if not re.fullmatch(r"scene-\d{4}", scene_name) or int(scene_name[-4:]) in NO_CAN_DATA:
        raise ValueError(f"scene {scene_name!r}: the devkit reads CAN messages of scene-0000 … scene-9999 without {sorted(NO_CAN_DATA)}")
    if set(messages) != set(MESSAGES):
        raise ValueError(f"messages of {scene_name} are {sorted(messages)}, expected {sorted(MESSAGES)}")
    (folder / "can_bus").mkdir(parents=True, exist_ok=True)
    paths = []
    for name in MESSAGES:
        text = json.dumps(messages[name], sort_keys=True, allow_nan=False, separators=(",", ":"))
        paths.append(folder / "can_bus" / f"{scene_name}_{name}.json")
        paths[-1].write_text(text + "\n", encoding="ascii")
    return paths


def _stats(values: NDArray[Any], digits: int) -> dict[str, Any]:
    base = values.ravel()[0] if values.dtype.kind == "i" else values.dtype.type(0)  # microseconds since 1970 have no digits to spare in a sum
    apart = (values - base).astype(np.float64)
    found = {"max": values.max().item(), "min": values.min().item(), "mean": float(base) + apart.mean(), "std": apart.std()}
    diffs = np.diff(apart)
    if diffs.size:
        found |= {"max_diff": diffs.max(), "min_diff": diffs.min(), "mean_diff": diffs.mean(), "std_diff": diffs.std()}
    return {name: value if isinstance(value, int) else round(float(value), digits) + 0.0 for name, value in found.items()}
