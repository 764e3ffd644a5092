"""Tables of a scene: names and types of their columns, and files that are the same to the byte for the same content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from heron_core.vehicle import SIGNALS

_I, _F, _T, _B = pa.int64(), pa.float64(), pa.string(), pa.bool_()

# Stamps are nanoseconds on the recording's clock; poses x, y in metres and yaw in radians in the recording's map frame (z = 0).
SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "samples": {"token": _T, "stamp_ns": _I},
    # apart_ns: exposure less the sample's time, of key frames; a sweep's sample is the next one
    "frames": {
        **{"token": _T, "sample_token": _T, "channel": _T, "stamp_ns": _I, "is_key_frame": _B, "file": _T, "width": pa.int32(), "height": pa.int32()},
        **{"bytes": _I, "crc32": pa.uint32(), "apart_ns": _I, "x_m": _F, "y_m": _F, "yaw_rad": _F},
    },
    # size: width, length, height; visible: share that no nearer box covers
    "boxes": {
        **{"token": _T, "sample_token": _T, "instance_token": _T, "category": _T, "attribute": _T, "x_m": _F, "y_m": _F, "z_m": _F, "yaw_rad": _F},
        **{"width_m": _F, "length_m": _F, "height_m": _F, "visible": _F},
    },
    # of LIDAR_TOP, as of frames; points: how many
    "clouds": {
        **{"token": _T, "sample_token": _T, "stamp_ns": _I, "is_key_frame": _B, "file": _T, "points": _I, "bytes": _I, "crc32": pa.uint32()},
        **{"apart_ns": _I, "x_m": _F, "y_m": _F, "yaw_rad": _F},
    },
    # of boxes that an auto-labeller said, which are no ground truth; score: 0 to 1
    "labels": {"box_token": _T, "stamp_ns": _I, "labeller": _T, "version": _T, "score": _F},
    "points": {"box_token": _T, "stamp_ns": _I, "points": _I},  # of the sample's cloud, in each box at the cloud's stamp
    "poses": {"stamp_ns": _I, "x_m": _F, "y_m": _F, "yaw_rad": _F, "speed_mps": _F, "yaw_rate_rps": _F},
    "imu": {"stamp_ns": _I, "rate_x": _F, "rate_y": _F, "rate_z": _F, "accel_x": _F, "accel_y": _F, "accel_z": _F},
    "gnss": {"stamp_ns": _I, "latitude_deg": _F, "longitude_deg": _F, "altitude_m": _F, "fix": pa.int32(), "std_m": _F},
    "state": {"stamp_ns": _I, **dict.fromkeys(SIGNALS, _F)},  # heron_core.vehicle.SIGNALS in their units; null: not valid
    # every frame's every signal, in the DBC's unit; sent: by us
    "signals": {"stamp_ns": _I, "bus": _T, "message": _T, "signal": _T, "value": _F, "sent": _B},
    "events": {"stamp_ns": _I, "kind": _T, "source": _T, "text": _T, "cause": _T},
    "instructions": {"stamp_ns": _I, "manoeuvre": _T, "text": _T},
    "explanations": {"stamp_ns": _I, "reason": _T, "english": _T, "japanese": _T},
    "drivers": {"stamp_ns": _I, "engagement": _T, "ladder": _T},
}


def schema_of(name: str) -> Any:
    """The Arrow schema of a table."""
    return pa.schema(list(SCHEMAS[name].items()))


def table_of(name: str, rows: Sequence[Sequence[Any]]) -> Any:
    """An Arrow table of rows in the order of the schema's columns."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SCHEMAS[name])
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMAS[name].values(), strict=True)], schema=schema_of(name))


def read_table(path: Path, schema: Any = None) -> Any:
    """All of a scene's table; columns of `schema` that its version did not have are null."""
    with pq.ParquetFile(path) as file:  # without what `pq.read_table` does for folders of many files: that takes longer than a scene's rows
        if schema is None or file.schema_arrow.equals(schema):
            return file.read(use_threads=False)
    return pq.read_table(path, schema=schema)


def write_table(table: Any, path: Path) -> None:
    """Parquet; the same bytes for the same content."""
    pq.write_table(table, path, compression="zstd", write_statistics=True)
