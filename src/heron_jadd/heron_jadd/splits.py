"""Which scenes are for training and which for validation: whole drives, or whole places, so that no model is judged by what it has seen."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq

from heron_core.signals import FixType
from heron_jadd.config import NS
from heron_jadd.job import Job
from heron_jadd.tokens import digest
from heron_jadd.tracks import about
from heron_sim.roads.geo import LocalFrame
from heron_sim.roads.town import GeoOrigin

TRAIN, VAL = "train", "val"
BOTH = "both"  # of a recording whose scenes are in several, where places are split
PLACE_DEG = 0.005  # a place is a cell of so many degrees: 555 m from south to north, 450 m from west to east at 36° of latitude
EVERY_NS = NS // 10  # a pose so often tells where a scene is: 3 m at 30 m/s
Cell = tuple[int, int]


@dataclass(frozen=True)
class Splits:
    """What became of scenes.

    Attributes:
        of: token of a scene → its split; those of the other two are in none.
        border: tokens of scenes that lie in places of both splits.
        nowhere: tokens of scenes of which nobody knows where they were.
    """

    of: Mapping[str, str]
    border: frozenset[str] = frozenset()
    nowhere: frozenset[str] = frozenset()


def by_drive(jobs: Sequence[Job], val_share: float) -> Splits:
    """Whole recordings, chosen by their identity; of two or more at least one is for validation, unless the share is 0."""
    identities = sorted({job.recording.identity for job in jobs})
    least = 1 if val_share > 0.0 and len(identities) > 1 else 0
    held = set(identities[: max(round(len(identities) * val_share), least)])
    return Splits({job.token: VAL if job.recording.identity in held else TRAIN for job in jobs})


def by_place(jobs: Sequence[Job], val_share: float) -> Splits:
    """Whole places. Which split a place is in follows from where it is alone, so other recordings do not change it.

    But for one case: of two places or more, one at least is for validation and one for training, unless the share is 0 or 1.
    """
    cells = {job.token: cells_of(job) for job in jobs}
    held = validation(set().union(*cells.values()), val_share)
    found: defaultdict[str, set[str]] = defaultdict(set)  # split, "border" or "nowhere" → tokens
    for token, some in cells.items():
        seen = {VAL if cell in held else TRAIN for cell in some}
        found[seen.pop() if len(seen) == 1 else "border" if seen else "nowhere"].add(token)
    return Splits({token: split for split in (TRAIN, VAL) for token in found[split]}, frozenset(found["border"]), frozenset(found["nowhere"]))


def misplaced(cells: Mapping[str, Iterable[Cell]], split_of: Mapping[str, str], val_share: float) -> list[tuple[str, Cell, str]]:
    """Scenes that are not where `by_place` puts them: token, a place of theirs, and what speaks against it.

    Which places were moved, so that both splits have one, follows from all scenes, and those that were left out are not known here: the place that
    would be moved first may be in either.

    Args:
        cells: token of each scene → places that it lies in (`cells_of`).
        split_of: token → split.
        val_share: for validation.
    """
    ordered = sorted((_value(cell), cell) for cell in set().union(*cells.values()))
    held = {cell for value, cell in ordered if value < val_share}
    moved = {VAL: ordered[:1], TRAIN: ordered[-1:]}  # into which split
    home: dict[Cell, tuple[str, str]] = {}  # the first scene in a place, and its split
    found = []
    for token, some in cells.items():
        split = split_of[token]
        for cell in sorted(some):
            other, of = home.setdefault(cell, (token, split))
            if of != split:
                found.append((token, cell, f"scene {other} lies there too, and is in {of}"))
            elif (cell in held) != (split == VAL) and (_value(cell), cell) not in moved.get(split, ()):
                found.append((token, cell, f"is for {VAL if cell in held else TRAIN}"))
    return found


def _value(cell: Cell) -> float:
    """A hash of where a place is, even over 0 .. 1."""
    return int(digest(("place", PLACE_DEG, *cell)), 16) / 2**64


def validation(cells: Iterable[Cell], val_share: float) -> frozenset[Cell]:
    """Places for validation, by `_value`."""
    ordered = sorted((_value(cell), cell) for cell in cells)
    count = sum(value < val_share for value, _ in ordered)
    if 0.0 < val_share < 1.0 and len(ordered) > 1:
        count = min(max(count, 1), len(ordered) - 1)
    return frozenset(cell for _, cell in ordered[:count])


def cells_of(job: Job) -> frozenset[Cell]:
    """Places that a finished scene lies in, by its fused poses, or else by its fixes; empty where it has neither."""
    places = _fused(job) if job.config.pose == "fusion" else []
    return frozenset((math.floor(latitude / PLACE_DEG), math.floor(longitude / PLACE_DEG)) for latitude, longitude in places or _fixes(job))


def _fused(job: Job) -> list[tuple[float, float]]:
    """(latitude, longitude) in degrees."""
    origin = about(job.track)["origin"]
    if origin is None:
        return []
    table = pq.read_table(job.folder / "poses.parquet", columns=["stamp_ns", "x_m", "y_m"])
    stamps, x, y = (column.to_numpy() for column in table.columns)
    wanted = np.append(np.arange(job.scene.start_ns, job.scene.end_ns, EVERY_NS), job.scene.end_ns)
    chosen = np.unique(np.clip(np.searchsorted(stamps, wanted), 0, len(stamps) - 1))
    frame = LocalFrame(GeoOrigin(**origin))
    return [frame.to_wgs84(east, north)[:2] for east, north in zip(x[chosen].tolist(), y[chosen].tolist(), strict=True)]


def _fixes(job: Job) -> list[tuple[float, float]]:
    path = job.folder / "gnss.parquet"
    if not path.is_file():
        return []
    inside = [("stamp_ns", ">=", job.scene.start_ns), ("stamp_ns", "<=", job.scene.end_ns), ("fix", "!=", int(FixType.NONE))]
    table = pq.read_table(path, columns=["latitude_deg", "longitude_deg"], filters=inside)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))
