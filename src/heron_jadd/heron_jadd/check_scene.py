"""One scene of a dataset's check: its manifest, its tables among each other, and the images that they name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from heron_jadd.check_images import Image
from heron_jadd.check_tables import BROKEN, WHOLE, CheckConfig, Columns, Row, Say, read_json, read_table, why
from heron_jadd.config import AFTER_S, BEFORE_S, NS, JaddConfig
from heron_jadd.job import MANIFEST, SCENES
from heron_jadd.tables import SCHEMAS, schema_of
from heron_jadd.tokens import SCHEMA


class SceneChecker:
    """Checks scenes, one after the other.

    Args:
        root: the dataset.
        tables: name of the folder of its tables.
        config: its parameters.
        limits: of the check.
        sensors: rows of the table of sensors; None: it cannot be read.
        say: takes findings.
    """

    def __init__(self, root: Path, tables: str, config: JaddConfig, limits: CheckConfig, sensors: Sequence[Row] | None, say: Say) -> None:
        self._root, self._tables, self._config, self._limits, self._say = root, tables, config, limits, say
        self._sensors: defaultdict[tuple[str, str], dict[str, Row]] | None = None if sensors is None else defaultdict(dict)
        for row in sensors or ():
            assert self._sensors is not None
            self._sensors[row["recording"], row["profile"]][row["channel"]] = row

    def check(self, scene: Row, tables: Mapping[str, Any]) -> list[Image]:
        """Checks a scene; images that are there and are to be read.

        Args:
            scene: row of the table of scenes.
            tables: its rows of the dataset's tables that can be read.
        """
        self._manifest(scene, tables)
        for name, table in tables.items():
            if "stamp_ns" in table.column_names:
                self._inside(scene, name, table["stamp_ns"].to_numpy())
        values: dict[str, Columns] = {
            name: {column: table[column].to_numpy() for column in table.column_names} for name, table in tables.items() if name in WHOLE
        }
        if "poses" in values:
            where = self._where("poses", scene)
            self._rising("pose_order", where, values["poses"]["stamp_ns"])
            self._moves(where, values["poses"])
        if "samples" in values:
            self._rising("frame_order", self._where("samples", scene), values["samples"]["stamp_ns"])
            known = dict(zip(values["samples"]["token"].tolist(), values["samples"]["stamp_ns"].tolist(), strict=True))
            if "boxes" in values:
                self._boxes(scene, values["boxes"], known)
            if "frames" in values:
                self._frames(scene, values["frames"], known)
        return [*self._images(values.get("frames", {})), *self._images(values.get("clouds", {}), jpeg=False)]

    def _where(self, table: str, scene: Row) -> str:
        return f"{self._tables}/{table}.parquet, scene {scene['token']}"

    def _manifest(self, scene: Row, tables: Mapping[str, Any]) -> None:
        where = f"{SCENES}/{scene['token']}/{scene['product']}"
        try:
            manifest = read_json(self._root / where / MANIFEST)
        except BROKEN as error:
            self._say("manifest_unreadable", f"{where}/{MANIFEST}: {why(error)}")
            return
        same = ("product", "profile", "recording", "driver", "start_ns", "end_ns", "image_bytes")
        for name, value in {"schema": SCHEMA, "scene": scene["token"], **{name: scene[name] for name in same}}.items():
            if manifest.get(name) != value:
                self._say("manifest_differs", f"{where}/{MANIFEST}: {name} is {manifest.get(name)!r}, the dataset says {value!r}")
        counts = manifest.get("tables")
        if not isinstance(counts, dict):
            self._say("manifest_differs", f"{where}/{MANIFEST}: tables is {counts!r}, expected a number of rows for each table")
            return
        for name, rows in counts.items():
            if name not in SCHEMAS:
                self._say("manifest_differs", f"{where}/{MANIFEST}: names a table {name}, which is unknown")
            elif rows and not (self._root / self._tables / f"{name}.parquet").is_file():
                self._say("table_missing", f"{self._tables}/{name}.parquet: is not there; scene {scene['token']} has {rows} rows of it")
        for name in tables:
            if len(tables[name]) != counts.get(name, 0):
                rows = f"{len(tables[name])} rows, its manifest says {counts.get(name, 0)}"
                self._say("table_count", f"{self._where(name, scene)}: {rows}")
            elif name in counts:
                self._own(f"{where}/{name}.parquet", name, tables[name])

    def _own(self, where: str, name: str, merged: Any) -> None:
        """The scene's own table has the rows that the dataset's has."""
        try:
            table = read_table(self._root / where, schema_of(name))
            if len(table) != len(merged):
                self._say("scene_table", f"{where}: {len(table)} rows, the dataset's table has {len(merged)} of this scene")
                return
            other = [column for column in table.column_names if not _same(table[column], merged[column])]
        except BROKEN as error:
            self._say("scene_table", f"{where}: {why(error)}")
            return
        if other:
            self._say("table_differs", f"{where}: {', '.join(other)} differ from {self._tables}/{name}.parquet")

    def _inside(self, scene: Row, name: str, stamp_ns: NDArray[np.int64]) -> None:
        half = self._config.key_ns // 2
        before, after = (half, half) if name in ("samples", "frames", "clouds", "labels", "points") else (round(BEFORE_S * NS), round(AFTER_S * NS))
        low, high = scene["start_ns"] - before, scene["end_ns"] + after
        for stamp in stamp_ns[(stamp_ns < low) | (stamp_ns > high)].tolist():
            self._say("stamp_outside", f"{self._where(name, scene)}: a row at {stamp} ns, outside {low} .. {high}")

    def _rising(self, kind: str, where: str, stamp_ns: NDArray[np.int64]) -> None:
        for k in np.flatnonzero(np.diff(stamp_ns) <= 0).tolist():
            self._say(kind, f"{where}: {stamp_ns[k + 1]} ns comes after {stamp_ns[k]} ns")

    def _moves(self, where: str, columns: Columns) -> None:
        """Poses are numbers, and no car is needed that flies."""
        stamp_ns, poses = columns["stamp_ns"], np.stack([columns[name] for name in ("x_m", "y_m", "yaw_rad")], 1)
        whole = np.isfinite(poses).all(1)
        for k in np.flatnonzero(~whole).tolist():
            self._say("pose_not_finite", f"{where}: x, y, yaw at {stamp_ns[k]} ns are {', '.join(f'{value:g}' for value in poses[k])}")
        stamp_ns, poses = stamp_ns[whole], poses[whole]
        step_s, step_m = np.diff(stamp_ns) / NS, np.hypot(*np.diff(poses[:, :2], axis=0).T)
        for k in np.flatnonzero((step_s > 0.0) & (step_m > self._limits.fastest_mps * step_s + self._limits.jump_m)).tolist():
            fast = f"{step_m[k]:.2f} m in {step_s[k]:.3f} s, {step_m[k] / step_s[k]:.0f} m/s, limit {self._limits.fastest_mps:g}"
            self._say("pose_speed", f"{where}: from {stamp_ns[k]} ns on {fast}")

    def _boxes(self, scene: Row, boxes: Columns, known: Mapping[str, int]) -> None:
        where = self._where("boxes", scene)
        for token, sample in zip(boxes["token"], boxes["sample_token"], strict=True):
            if sample not in known:
                self._say("box_sample", f"{where}: box {token} belongs to sample {sample}, which the scene has not")
        sizes = np.stack([boxes[name] for name in ("width_m", "length_m", "height_m")], 1)
        places = np.stack([boxes[name] for name in ("x_m", "y_m", "z_m", "yaw_rad")], 1)
        for k in np.flatnonzero(~(np.isfinite(places).all(1) & (np.isfinite(sizes) & (sizes > 0.0)).all(1))).tolist():
            self._say("box_value", f"{where}: box {boxes['token'][k]} is at {places[k].tolist()} and has the size {sizes[k].tolist()}")

    def _frames(self, scene: Row, frames: Columns, known: Mapping[str, int]) -> None:
        where = self._where("frames", scene)
        counted = {"samples": len(known), "frames": len(frames["token"]), "image_bytes": int(frames["bytes"].sum())}
        for name, count in counted.items():
            if scene[name] != count:
                self._say("scene_counts", f"{self._tables}/scenes.parquet: {name} of {scene['token']} is {scene[name]}, its tables have {count}")
        channels = frames["channel"]
        sensors = None if self._sensors is None else self._sensors.get((scene["recording"], scene["profile"]), {})
        parts = {channel: channels == channel for channel in dict.fromkeys([*(sensors or ()), *channels.tolist()])}
        period_ns = {channel: float(np.median(np.diff(frames["stamp_ns"][part]))) for channel, part in parts.items() if part.sum() > 1}
        for channel, part in parts.items():
            own = {name: column[part] for name, column in frames.items()}
            self._rising("frame_order", f"{where}, {channel}", own["stamp_ns"])
            self._moves(f"{where}, {channel}", own)
            # Of a sample, its own image and the one that gives it its time each lie up to half a period from where the sample was to be.
            half_ns = (period_ns.get(channel, self._config.key_ns) + max(period_ns.values(), default=self._config.key_ns)) / 2.0
            self._keys(f"{where}, {channel}", own, known, 2e6 * self._config.sync_ms or half_ns + 1e6 * self._limits.sync_ms)
            self._sweeps(f"{where}, {channel}", own)
            if sensors is not None:
                self._sensor(f"{where}, {channel}", own, sensors.get(channel))

    def _keys(self, where: str, own: Columns, known: Mapping[str, int], reach_ns: float) -> None:
        """Every sample has one key frame of the camera, near its time."""
        keys, stamps, samples = np.flatnonzero(own["is_key_frame"]), own["stamp_ns"].tolist(), own["sample_token"].tolist()
        counts = Counter(samples[k] for k in keys)
        for sample in known:
            if counts[sample] != 1:
                self._say("sample_incomplete", f"{where}: sample {sample} has {counts[sample]} key frames, expected 1")
        for stamp_ns, sample in zip(stamps, samples, strict=True):
            if sample not in known:
                self._say("frame_sample", f"{where}: image at {stamp_ns} ns belongs to sample {sample}, which the scene has not")
        for k in keys.tolist():
            if samples[k] not in known:
                continue
            apart_ns = stamps[k] - known[samples[k]]
            if apart_ns != own["apart_ns"][k]:
                said = f"{own['apart_ns'][k]} ns after its sample, by their times it is {apart_ns}"
                self._say("frame_sync", f"{where}: key frame at {stamps[k]} ns is said to be {said}")
            elif abs(apart_ns) > reach_ns:
                self._say("frame_sync", f"{where}: key frame at {stamps[k]} ns is {apart_ns} ns from its sample, limit {reach_ns:.0f}")

    def _sweeps(self, where: str, own: Columns) -> None:
        """A sweep belongs to the sample of the camera's next key frame."""
        keys, sweeps = np.flatnonzero(own["is_key_frame"]), np.flatnonzero(~own["is_key_frame"])
        for k, following in zip(sweeps.tolist(), np.searchsorted(keys, sweeps).tolist(), strict=True):
            sample, expected = own["sample_token"][k], own["sample_token"][keys[following]] if following < len(keys) else None
            if expected is None:
                self._say("sweep_sample", f"{where}: sweep at {own['stamp_ns'][k]} ns comes after the last key frame")
            elif sample != expected:
                self._say("sweep_sample", f"{where}: sweep at {own['stamp_ns'][k]} ns belongs to sample {sample}, the next is {expected}")

    def _sensor(self, where: str, own: Columns, sensor: Row | None) -> None:
        if sensor is None:
            self._say("frame_sensor", f"{where}: {self._tables}/sensors.parquet has no such camera of this recording")
            return
        for k in np.flatnonzero((own["width"] != sensor["width"]) | (own["height"] != sensor["height"])).tolist():
            size = f"{own['width'][k]}x{own['height'][k]}"
            self._say("frame_sensor", f"{where}: image at {own['stamp_ns'][k]} ns is {size}, its camera {sensor['width']}x{sensor['height']}")

    def _images(self, frames: Columns, jpeg: bool = True) -> list[Image]:
        """Images, or clouds, of the scene that are there in their size; frames: none where the table cannot be read."""
        found = []
        for file, size, crc32 in zip(*(frames[name].tolist() if frames else () for name in ("file", "bytes", "crc32")), strict=True):
            path = self._root / file
            try:
                there = path.stat().st_size
            except (OSError, ValueError) as error:
                self._say("image_missing", f"{file}: {why(error)}")
                continue
            if there != size:
                self._say("image_size", f"{file}: {there} bytes, the table of {'frames' if jpeg else 'clouds'} says {size}")
                continue
            found.append(Image(path, file, size, crc32, jpeg=jpeg))
        return found


def _same(one: Any, other: Any) -> bool:
    """Whether two Arrow columns of one type hold the same; NaN is like NaN."""
    if one.equals(other):
        return True
    return bool(pa.types.is_floating(one.type)) and np.array_equal(one.to_numpy(), other.to_numpy(), equal_nan=True)
