"""What to do about each kind of finding of `jadd check`."""

from __future__ import annotations

from collections.abc import Mapping

_AGAIN = "run ./heron jadd create again with the same recordings and parameters"
_SCENE = f"remove the scene's folder under scenes/ and the folders nuscenes-*, and {_AGAIN}"
_TABLES = f"remove the folder tables-*, and {_AGAIN}"
_VIEW = f"remove the folder nuscenes-*, and {_AGAIN}"
_RECORDED = "if the tables are as they were made, the recording is at fault: look at it with ./heron bag info, and leave it out"
# Kind of finding → what to do about it.
REMEDIES: Mapping[str, str] = {
    "dataset_json": _AGAIN,
    "pointer": _AGAIN,
    "parameters": _AGAIN,
    "table_missing": _TABLES,
    "table_unreadable": _TABLES,
    "table_schema": f"it is of another version, or damaged: {_TABLES}",
    "table_null": _TABLES,
    "table_stray": _TABLES,
    "table_count": _TABLES,
    "table_differs": f"{_TABLES}; if it stays, {_SCENE}",
    "token_double": _TABLES,
    "recording": _TABLES,
    "scene_overlap": _TABLES,
    "scene_counts": _TABLES,
    "scene_table": _SCENE,
    "scene_name": _VIEW,
    "manifest_unreadable": _SCENE,
    "manifest_differs": _SCENE,
    "stamp_outside": _TABLES,
    "frame_order": _TABLES,
    "frame_sample": _TABLES,
    "frame_sync": _TABLES,
    "frame_sensor": _TABLES,
    "sample_incomplete": _TABLES,
    "sweep_sample": _TABLES,
    "box_sample": _TABLES,
    "box_value": _RECORDED,
    "pose_order": _RECORDED,
    "pose_not_finite": _RECORDED,
    "pose_speed": f"{_RECORDED}, or choose another source of poses",
    "calibration": "the calibration of the recording is at fault: mend its rig.yaml, and create the dataset in a new folder",
    "image_missing": _SCENE,
    "image_size": _SCENE,
    "image_crc": _SCENE,
    "image_torn": _SCENE,
    "split_recording": f"models would be judged by what they have seen: {_TABLES}, without nuscenes-* too",
    "split_place": f"models would be judged by what they have seen: {_TABLES}, without nuscenes-* too",
    "split_scene": _VIEW,
    "split_unknown": _VIEW,
    "view_unreadable": _VIEW,
    "view_field": _VIEW,
    "view_token": _VIEW,
    "view_reference": _VIEW,
    "view_chain": _VIEW,
    "view_count": _VIEW,
    "view_time": _VIEW,
    "view_pose": _VIEW,
    "view_truth": _VIEW,
    "view_file": _VIEW,
    "unchecked": "mend what else is found, and check again",
}
