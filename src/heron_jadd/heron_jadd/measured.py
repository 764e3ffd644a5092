"""Tables of what was measured, said and done in a scene, and a little before and after: everything but images and boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heron_bag.can_columns import can_frames
from heron_bag.columns import columns
from heron_bag.native import events, explanations, gnss_fixes, instructions
from heron_bag.reader import Bag
from heron_core.vehicle import SIGNALS
from heron_jadd.can_signals import SCHEMA as SIGNAL_SCHEMA
from heron_jadd.can_signals import BusDecoder
from heron_jadd.poses import PoseTrack
from heron_jadd.tables import schema_of, table_of

STAMP = "header.stamp"
TOPICS = {
    "imu": "/imu",
    "gnss": "/gnss/fix",
    "state": "/vehicle/state",
    "signals": "/can/tap",
    "events": "/events",
    "instructions": "/instruction",
    "explanations": "/plan/explanation",
    "drivers": "/control/status",
}
IMU = {"angular_velocity": "rate", "linear_acceleration": "accel"}


def measured(bag: Bag, track: PoseTrack, span_ns: tuple[int, int], decoders: Mapping[str, BusDecoder], counts: Counter[str]) -> dict[str, Any]:
    """Table name → Arrow table, of each topic that the recording has.

    Args:
        bag: the excerpt.
        track: poses.
        span_ns: first and last stamp that is taken.
        decoders: bus → how its frames are read.
        counts: what was not understood is added to it.
    """
    there = {name for name, topic in TOPICS.items() if topic in bag.topics}
    found = {"poses": _poses(track)}
    if "imu" in there:
        found["imu"] = _imu(bag)
    if "state" in there:
        found["state"] = _state(bag)
    if "drivers" in there:
        found["drivers"] = _plain("drivers", columns(bag, TOPICS["drivers"], [STAMP, "engagement", "ladder"]))
    if "gnss" in there:
        fixes = (each for _, each in gnss_fixes(bag))
        rows = [(each.stamp_ns, each.latitude_deg, each.longitude_deg, each.altitude_m, int(each.fix), each.horizontal_std_m) for each in fixes]
        found["gnss"] = table_of("gnss", rows)
    if "events" in there:
        found["events"] = table_of("events", [(each.stamp_ns, each.kind, each.source, each.text, each.cause) for _, each in events(bag)])
    if "instructions" in there:
        found["instructions"] = table_of("instructions", [(each.stamp_ns, each.manoeuvre, each.text) for _, each in instructions(bag)])
    if "explanations" in there:
        said = [(each.stamp_ns, each.reason, each.english, each.japanese) for _, each in explanations(bag) if each.reason]  # none: the last is over
        found["explanations"] = table_of("explanations", said)
    found = {name: _inside(table, *span_ns) for name, table in found.items()}
    if "signals" in there and decoders:
        found["signals"] = _signals(bag, decoders, span_ns, counts)
    return found


def _inside(table: Any, low_ns: int, high_ns: int) -> Any:
    stamps = table["stamp_ns"].to_numpy()
    return table.filter(pa.array((low_ns <= stamps) & (stamps <= high_ns)))


def _plain(name: str, values: Mapping[str, NDArray[Any]]) -> Any:
    """A table of columns in the order of its schema."""
    schema = schema_of(name)
    return pa.table([pa.array(column, kind) for column, kind in zip(values.values(), schema.types, strict=True)], schema=schema)


def _poses(track: PoseTrack) -> Any:
    x, y, yaw = track.poses.T
    return _plain("poses", {"stamp": track.stamp_ns, "x": x, "y": y, "yaw": yaw, "speed": track.speed_mps, "yaw_rate": track.yaw_rate_rps})


def _imu(bag: Bag) -> Any:
    return _plain("imu", columns(bag, TOPICS["imu"], [STAMP, *(f"{field}.{axis}" for field in IMU for axis in "xyz")]))


def _state(bag: Bag) -> Any:
    """Every signal that is valid at some time; null where it is not."""
    known = [name for name, _ in bag.fields(bag.topics[TOPICS["state"]].ros_type) if name in SIGNALS]  # an older recording may know fewer
    values = columns(bag, TOPICS["state"], [STAMP, *(f"{name}.{part}" for name in known for part in ("value", "valid"))])
    table = {"stamp_ns": pa.array(values[STAMP], pa.int64())}
    for name in SIGNALS:
        valid = values[f"{name}.valid"].astype(np.bool_) if name in known else np.zeros(len(values[STAMP]), np.bool_)
        value = values[f"{name}.value"] if name in known else np.zeros(len(valid))
        table[name] = pa.array(value, pa.float64(), mask=~valid)
    return pa.table(table, schema=schema_of("state"))


def _signals(bag: Bag, decoders: Mapping[str, BusDecoder], span_ns: tuple[int, int], counts: Counter[str]) -> Any:
    parts = []
    for bus, frames in sorted(can_frames(bag, TOPICS["signals"]).items()):
        if bus not in decoders:
            counts[f"frames of bus {bus}, for which can.yaml has no DBC"] += len(frames)
            continue
        decoded = decoders[bus].decode(frames)
        counts.update({f"{bus}: {what}": count for what, count in decoded.counts.items()})
        parts.append(_inside(decoded.table, *span_ns))
    table = pa.concat_tables(parts) if parts else SIGNAL_SCHEMA.empty_table()
    return table.cast(schema_of("signals"))
