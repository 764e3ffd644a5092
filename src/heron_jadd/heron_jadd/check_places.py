"""Whether scenes that were split by place are in the split of their places: computed anew from where they were."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from heron_core.errors import InputError
from heron_jadd.check_tables import Row, Say
from heron_jadd.config import JaddConfig
from heron_jadd.splits import PLACE_DEG, cells_of, misplaced
from heron_jadd.stored import jobs_of


def check_places(root: Path, where: str, rows: Sequence[Row], config: JaddConfig, say: Say) -> None:
    """Of all scenes.

    Args:
        root: the dataset.
        where: its table of scenes, as findings name it.
        rows: of that table.
        config: parameters of the dataset.
        say: takes findings.
    """
    try:
        cells = {job.token: cells_of(job) for job in jobs_of(root, rows, dataclasses.asdict(config))}
    except InputError as error:
        say("unchecked", f"{where}: splits by place: {error}")
        return
    names = {row["token"]: row["name"] for row in rows}
    splits = {row["token"]: row["split"] for row in rows}
    for token, some in cells.items():
        if not some:
            say("split_place", f"{where}: {names[token]} is in {splits[token]}, and nobody knows where it was")
    for token, (north, east), reason in misplaced(cells, splits, config.val_share):
        place = f"the place at {north * PLACE_DEG:.3f}, {east * PLACE_DEG:.3f}"
        say("split_place", f"{where}: {names[token]} is in {splits[token]}; {place} {reason}")
