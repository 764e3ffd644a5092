"""What a dataset is to be like: the only home of its parameters and their defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

NS = 1_000_000_000
BEFORE_S, AFTER_S = 2.0, 6.0  # poses and signals reach so far beyond a scene: history and horizon of a model at its ends
RATES = (2.0, 5.0, 10.0, 15.0, 30.0)
PoseSource = Literal["auto", "fusion", "odometry", "truth"]
Unit = Literal["drive", "place"]


@dataclass(frozen=True)
class JaddConfig:
    """Parameters of a dataset; `job.OF_THE_WHOLE` names those that do not change what a scene holds.

    Attributes:
        version: name of the nuScenes tables' folder; `train` and `val` of the devkit need one that ends with "trainval".
        location: where it was driven, for the logs; "": the name of the recording's rig.
        scene_s: length of a scene.
        shortest_s: a shorter rest, at the end of a recording or before a change of who drives, is left out and counted.
        across_engagement: scenes may go on where Heron takes over or gives back.
        rate_hz: images of each camera per second.
        keyframe_hz: samples per second; the devkit's prediction assumes 2.
        cameras: names to take; empty: all.
        undistort: images become those of ideal lenses, as nuScenes promises; else JPEG bytes pass through, and `distortion.json` tells the lenses.
        fov_deg: of undistorted fisheyes, from left to right edge; 0: 110; other lenses keep their focal length.
        quality: of JPEGs that are encoded anew.
        sync_ms: images of one sample lie within so many milliseconds of its time; 0: half a period of the camera.
        pose: where the car was: fused of GNSS, IMU and speed over the whole recording, wheel odometry, or the simulated world's truth; auto: fused
            where the recording has fixes and a speed, else odometry.
        boxes: boxes of whoever is around, where the recording has ground truth.
        reach_m: boxes up to so far away.
        lidar: clouds, where the recording has them.
        labeller: MODULE:FUNCTION that says the boxes instead of the recording (`labelling`); "": none.
        keep: condition over what happens in a scene, as `jadd find` has it; others are left out of the dataset and counted. "": all are kept.
        val_share: for validation; at least one drive or place of two, unless it is 0.
        val_by: what is never in both splits: a drive, or a place (a cell of 0.005 degrees, `splits.PLACE_DEG`); scenes that lie in places of both
            are left out and counted.
        lidar_placeholder: an empty LIDAR_TOP, for code that cannot do without one.

    Raises:
        ValueError: an impossible value.
    """

    version: str = "v1.0-trainval"
    location: str = ""
    scene_s: float = 20.0
    shortest_s: float = 10.0
    across_engagement: bool = False
    rate_hz: float = 10.0
    keyframe_hz: float = 2.0
    cameras: tuple[str, ...] = ()
    undistort: bool = True
    fov_deg: float = 0.0
    quality: int = 90
    sync_ms: float = 0.0
    pose: PoseSource = "auto"
    boxes: bool = True
    reach_m: float = 80.0
    lidar: bool = True
    labeller: str = ""
    keep: str = ""
    val_share: float = 0.2
    val_by: Unit = "drive"
    lidar_placeholder: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"v\d+\.\d+-\w+", self.version):
            raise ValueError(f"version = {self.version!r}, expected a form such as v1.0-trainval or v1.0-mini")
        _within("scene_s", self.scene_s, 0.1, 600.0)
        _within("shortest_s", self.shortest_s, 0.1, self.scene_s)
        if self.rate_hz not in RATES:
            raise ValueError(f"rate_hz = {self.rate_hz:g}, allowed {', '.join(f'{rate:g}' for rate in RATES)}")
        _within("keyframe_hz", self.keyframe_hz, 0.5, self.rate_hz)
        if abs(NS / self.keyframe_hz - round(NS / self.keyframe_hz)) > 1e-6:
            raise ValueError(f"keyframe_hz = {self.keyframe_hz:g} has no period of whole nanoseconds")
        _within("fov_deg", self.fov_deg, 0.0, 170.0)
        _within("quality", self.quality, 50, 100)
        _within("sync_ms", self.sync_ms, 0.0, 500.0)
        _within("reach_m", self.reach_m, 1.0, 500.0)
        _within("val_share", self.val_share, 0.0, 1.0)
        if self.pose not in get_args(PoseSource):
            raise ValueError(f"pose = {self.pose!r}, allowed {', '.join(get_args(PoseSource))}")
        if self.labeller and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", self.labeller):
            raise ValueError(f"labeller = {self.labeller!r}, expected MODULE:FUNCTION, e.g. our_labels.boxes:detect")
        if self.val_by not in get_args(Unit):
            raise ValueError(f"val_by = {self.val_by!r}, allowed {', '.join(get_args(Unit))}")

    @property
    def key_ns(self) -> int:
        """Nanoseconds between two samples."""
        return round(NS / self.keyframe_hz)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} = {value:g}, allowed {low:g} .. {high:g}")
