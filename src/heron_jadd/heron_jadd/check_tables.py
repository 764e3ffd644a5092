"""The Parquet side of a dataset's check, scene by scene: manifests, tables, references, order in time, poses, calibration."""

from __future__ import annotations

import json
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heron_jadd.splits import BOTH
from heron_jadd.tables import SCHEMAS, schema_of

# What reading a damaged file raises.
BROKEN = (OSError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError, NotImplementedError, pa.ArrowException)
BATCH, BUFFER = 8192, 1 << 16  # rows of a table, and bytes of each column of its file, that are read at once
# Tables without a single empty value; in the others there are signals that were not sent.
WHOLE = ("samples", "frames", "clouds", "labels", "points", "boxes", "poses")
Say = Callable[[str, str], None]  # (kind of finding, sentence)
Row = dict[str, Any]
Columns = dict[str, NDArray[Any]]


class SchemaError(ValueError):
    """A table with other columns than expected; the text says which."""


@dataclass(frozen=True)
class CheckConfig:
    """Limits of a check.

    Attributes:
        fastest_mps: between two poses; no car on a public road is faster.
        jump_m: a pose may be off by so much before the way to it counts as too fast: noise between poses that are milliseconds apart.
        unit_error: of the norm of a quaternion.
        sync_ms: how far images of a sample may lie apart is estimated from the images that were kept; so much more is let pass.
        examples: findings of a kind that are told; the others are counted.
    """

    fastest_mps: float = 70.0
    jump_m: float = 0.5
    unit_error: float = 1e-6
    sync_ms: float = 2.0
    examples: int = 5


def why(error: BaseException) -> str:
    """What is wrong, in one line."""
    if isinstance(error, FileNotFoundError):
        return "is not there"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.strip().splitlines() or [type(error).__name__])[0][:200]


def read_json(path: Path) -> Row:
    """A mapping.

    Raises:
        OSError, ValueError: it cannot be read, or holds something else.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError(f"holds {type(found).__name__}, expected a mapping")
    return found


def read_rows(path: Path, where: str, schema: Any, say: Say, needed: Sequence[str] = ()) -> list[Row] | None:
    """Rows of a small table, but those that lack a value of the needed columns (of any); None, and it is said why, where there is no reading it."""
    try:
        every: list[Row] = read_table(path, schema).to_pylist()
        rows = [row for row in every if all(row[name] is not None for name in needed or row)]
        if len(rows) < len(every):
            say("table_null", f"{where}: {len(every) - len(rows)} rows with empty values")
    except BROKEN as error:
        say(_kind(error), f"{where}: {why(error)}")
        return None
    return rows


def read_table(path: Path, schema: Any) -> Any:
    """A whole Parquet table; many small ones are read fastest without Arrow's threads.

    Raises:
        SchemaError: it has other columns.
        OSError, ValueError: it cannot be read.
    """
    with pq.ParquetFile(path) as file:
        _known(file, schema)
        return file.read(use_threads=False)


def _known(file: Any, schema: Any) -> None:
    if not file.schema_arrow.equals(schema):
        raise SchemaError(f"columns {_difference(file.schema_arrow, schema)}")


def _kind(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "table_missing"
    return "table_schema" if isinstance(error, SchemaError) else "table_unreadable"


def _difference(found: Any, expected: Any) -> str:
    """Columns in which two schemas differ, with their types."""
    there, wanted = ({f"{field.name} ({field.type})" for field in schema} for schema in (found, expected))
    parts = (("missing: ", wanted - there), ("unknown: ", there - wanted))
    return "; ".join(word + ", ".join(sorted(names)) for word, names in parts if names) or "in another order"


def doubled(hashes: array[int]) -> set[int]:
    """Hashes that are there more than once."""
    order = np.sort(np.frombuffer(hashes, np.int64))
    return set(order[1:][order[1:] == order[:-1]].tolist())


class Tables:
    """Tables of a dataset, read once and scene after scene: memory holds a batch of each, and 8 bytes for each token.

    Args:
        folder: of the Parquet files.
        scenes: tokens of the scenes in the dataset's order, which is that of the rows.
        say: takes findings.
    """

    def __init__(self, folder: Path, scenes: Sequence[str], say: Say) -> None:
        order = {token: number for number, token in enumerate(scenes)}
        self._streams = {name: _Stream(folder / f"{name}.parquet", name, order, say) for name in SCHEMAS}

    def of(self, scene: str) -> dict[str, Any]:
        """Rows of a scene, of the tables that can be read."""
        found = {name: stream.of(scene) for name, stream in self._streams.items()}
        return {name: rows for name, rows in found.items() if not self._streams[name].broken}

    def finish(self) -> None:
        """Says what is left over, and which tokens are there twice."""
        for stream in self._streams.values():
            stream.finish()


class _Stream:
    """One table: runs of rows of the same scene."""

    def __init__(self, path: Path, name: str, order: Mapping[str, int], say: Say) -> None:
        self.broken = False
        self._path, self._where, self._order, self._say = path, f"{path.parent.name}/{path.name}", order, say
        self._schema = schema_of(name).insert(0, pa.field("scene_token", pa.string()))
        self._needed = self._schema.names if name in WHOLE else ["scene_token", "stamp_ns"]
        self._hashes = array("q")
        self._runs = groupby(self._pieces(), itemgetter(0))
        self._ahead: tuple[str, Any] | None = None
        self._advance()

    def of(self, scene: str) -> Any:
        """A table of the scene's rows."""
        number = self._order[scene]
        while self._ahead is not None and self._order.get(self._ahead[0], -1) < number:
            self._stray()
        if self._ahead is None or self._ahead[0] != scene:
            return self._schema.empty_table().drop_columns("scene_token")
        table = self._ahead[1].drop_columns("scene_token")
        if "token" in self._schema.names:
            self._hashes.extend(map(hash, table["token"].to_pylist()))
        self._advance()
        return table

    def finish(self) -> None:
        while self._ahead is not None:
            self._stray()
        twice = doubled(self._hashes)
        if twice and not self.broken:
            for token in (each for batch in pq.ParquetFile(self._path).iter_batches(BATCH, columns=["token"]) for each in batch[0].to_pylist()):
                if hash(token) in twice:
                    twice.discard(hash(token))
                    self._say("token_double", f"{self._where}: token {token} is there more than once")

    def _stray(self) -> None:
        assert self._ahead is not None
        why_not = "which is no scene of the dataset" if self._ahead[0] not in self._order else "apart from its others"
        self._say("table_stray", f"{self._where}: {len(self._ahead[1])} rows of scene {self._ahead[0]}, {why_not}")
        self._advance()

    def _advance(self) -> None:
        run = next(self._runs, None)
        self._ahead = None if run is None else (run[0], pa.Table.from_batches([piece for _, piece in run[1]], self._schema))

    def _pieces(self) -> Iterator[tuple[str, Any]]:
        """(scene, rows) as they come."""
        self.broken = not self._path.is_file()  # which is a finding where a manifest counts rows of it
        if self.broken:
            return
        try:
            with pq.ParquetFile(self._path, pre_buffer=False, buffer_size=BUFFER) as file:
                _known(file, self._schema)
                for batch in file.iter_batches(BATCH, use_threads=False):
                    whole = batch.filter(reduce(pc.and_, [pc.is_valid(batch[name]) for name in self._needed]))
                    if len(whole) < len(batch):
                        self._say("table_null", f"{self._where}: {len(batch) - len(whole)} rows with empty values")
                    if len(whole):
                        scene = whole.column(0)
                        codes = scene.dictionary_encode().indices.to_numpy(zero_copy_only=False)
                        cuts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(whole)]
                        yield from ((scene[begin].as_py(), whole.slice(begin, end - begin)) for begin, end in pairwise(cuts))
        except BROKEN as error:
            self._say(_kind(error), f"{self._where}: {why(error)}")
            self.broken = True


def check_scenes(where: str, rows: Sequence[Row], by_drive: bool, say: Say) -> None:
    """The table of scenes: each once, none over another of its recording, all images of one profile; `by_drive`: no recording in two splits."""
    recordings, splits = defaultdict(list), defaultdict(set)
    for token, count in Counter(row["token"] for row in rows).items():
        if count > 1:
            say("token_double", f"{where}: token {token} is there {count} times")
    for row in rows:
        recordings[row["recording"]].append(row)
        splits[row["recording"]].add(row["split"])
        if row["end_ns"] <= row["start_ns"]:
            say("scene_overlap", f"{where}: {row['name']} ends at {row['end_ns']} ns, before it begins at {row['start_ns']} ns")
        if row["profile"] != rows[0]["profile"]:
            say("manifest_differs", f"{where}: {row['name']} has images of profile {row['profile']}, {rows[0]['name']} of {rows[0]['profile']}")
    for recording, scenes in recordings.items():
        for one, two in pairwise(sorted(scenes, key=itemgetter("start_ns", "end_ns"))):
            if two["start_ns"] <= one["end_ns"]:
                times = f"{two['name']} begins at {two['start_ns']} ns, {one['name']} ends at {one['end_ns']} ns"
                say("scene_overlap", f"{where}: two scenes of recording {recording} overlap: {times}")
        if by_drive and len(splits[recording]) > 1:
            say("split_recording", f"{where}: recording {recording} is in the splits {', '.join(sorted(splits[recording]))}")


def check_recordings(where: str, rows: Sequence[Row], scenes: Sequence[Row], say: Say) -> None:
    """The table of recordings knows those of the scenes, and says of each what the scenes say."""
    counts, splits = Counter(row["recording"] for row in scenes), defaultdict[str, set[str]](set)
    for row in scenes:
        splits[row["recording"]].add(row["split"])
    known = {row["identity"] for row in rows}
    for recording in counts:
        if recording not in known:
            say("recording", f"{where}: has no recording {recording}, of which there are {counts[recording]} scenes")
    for row in rows:
        found = splits[row["identity"]]
        if row["scenes"] != counts[row["identity"]] or (row["split"] not in found and (row["split"] != BOTH or len(found) < 2)):
            said = f"{row['scenes']} scenes in split {row['split']}, the table of scenes has {counts[row['identity']]} and may have another split"
            say("recording", f"{where}: {row['identity']} has {said}")


def check_sensors(where: str, rows: Sequence[Row], limits: CheckConfig, say: Say) -> None:
    """Calibration: lenses that can be, rotations that are rotations."""
    for token, count in Counter(row["token"] for row in rows).items():
        if count > 1:
            say("token_double", f"{where}: token {token} is there {count} times")
    for row in rows:
        name = f"{where}: {row['channel']} of recording {row['recording']}"
        for field, length in (("k", 9), ("translation_m", 3), ("rotation_wxyz", 4), ("distortion", None)):
            if not is_vector(row[field], length):
                say("calibration", f"{name}: {field} is {row[field]}, expected {length or 'only'} finite numbers")
        if row["width"] <= 0 or row["height"] <= 0:
            say("calibration", f"{name}: image of {row['width']}x{row['height']} pixels")
        if is_vector(row["rotation_wxyz"], 4) and not is_unit(row["rotation_wxyz"], limits):
            say("calibration", f"{name}: rotation {row['rotation_wxyz']} has the norm {math.hypot(*row['rotation_wxyz']):.6f}, expected 1")
        if is_vector(row["k"], 9):
            fx, _, cx, _, fy, cy, *last = row["k"]
            if fx <= 0.0 or fy <= 0.0 or last != [0.0, 0.0, 1.0]:
                say("calibration", f"{name}: focal length {fx:g}, {fy:g} pixels and last line {last}, expected positive ones and 0, 0, 1")
            if not (0.0 <= cx <= row["width"] and 0.0 <= cy <= row["height"]):
                say("calibration", f"{name}: principal point {cx:g}, {cy:g} lies outside the image of {row['width']}x{row['height']} pixels")


def is_vector(values: Any, length: int | None = None) -> bool:
    """Whether it is a list of finite numbers, of this length."""
    if not isinstance(values, list) or (length is not None and len(values) != length):
        return False
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) and math.isfinite(each) for each in values)


def is_unit(rotation: Sequence[float], limits: CheckConfig) -> bool:
    """Whether a quaternion is a rotation."""
    return abs(math.hypot(*rotation) - 1.0) <= limits.unit_error
