"""What all parts of a nuScenes view share: further names of files, and records of poses."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def link(source: Path | str, target: Path | str) -> None:
    """One more name for a file; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def ego_pose(row: Mapping[str, Any], name: str, time_us: int) -> Record:
    """Pose of a row of the table of frames or clouds."""
    half = row["yaw_rad"] / 2.0
    rotation = [math.cos(half), 0.0, 0.0, math.sin(half)]
    return {"token": name, "timestamp": time_us, "rotation": rotation, "translation": [row["x_m"], row["y_m"], 0.0]}
