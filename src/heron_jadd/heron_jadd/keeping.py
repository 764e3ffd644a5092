"""Which finished scenes a dataset keeps: `JaddConfig.keep`, a condition in the language of `jadd find`, over the same columns."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from heron_jadd.catalogue import COLUMNS, scene_row
from heron_jadd.conditions import Condition, Kind, condition_of
from heron_jadd.database import TEXT, WHOLE
from heron_jadd.features import AS_USUAL
from heron_jadd.job import MANIFEST, Job

NOT_YET = frozenset(("number", "name", "split", "features"))  # that scenes have when the dataset is whole
COUNTED = re.compile(r"(events|explained|instructed|boxes|disengagements|overrides)_[a-z0-9_]+")  # columns when some scene has such a thing, else 0


@dataclass(frozen=True)
class Kept:
    """What a condition keeps.

    Attributes:
        tokens: of the scenes.
        unheard: columns of counts that it asks for, of which no scene has any: perhaps a slip.
    """

    tokens: frozenset[str]
    unheard: tuple[str, ...] = ()


class _Columns(dict[str, Kind]):
    """Columns that can be asked for before there is a catalogue."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and COUNTED.fullmatch(name) is not None)

    def __missing__(self, name: str) -> Kind:
        return "number"


def check_keep(keep: str) -> Condition | None:
    """Reads the condition; None: all scenes are kept.

    Raises:
        InputError: it is none, or asks for a column that does not exist.
    """
    known: dict[str, Kind] = {name: "text" if kind == TEXT else "number" for name, (kind, _) in COLUMNS.items() if name not in NOT_YET}
    return condition_of(keep, _Columns(known)) if keep.strip() else None


def kept(jobs: Sequence[Job], keep: str, done: Callable[[], None] = lambda: None) -> Kept:
    """Of finished scenes with two samples at least, those of which the condition is true.

    What follows depends on the scenes and the condition alone, so a run that was killed decides again the same.

    Args:
        jobs: the scenes.
        keep: the condition; "": all of them.
        done: called after each scene.

    Raises:
        InputError: as `check_keep`, or a scene is damaged.
    """
    condition = check_keep(keep)
    if condition is None:
        return Kept(frozenset(job.token for job in jobs))
    names = tuple(dict.fromkeys(("token", *condition.columns)))
    heard: set[str] = set()
    connection = sqlite3.connect(":memory:")
    try:
        told = ", ".join(f'"{name}" {COLUMNS[name][0] if name in COLUMNS else WHOLE}' for name in names)
        connection.execute(f"CREATE TABLE scenes ({told})")
        for job in jobs:
            row = scene_row(job.folder / MANIFEST, job.store, AS_USUAL)
            assert row is not None, job.folder
            heard |= row.keys()
            values = tuple(row.get(name, None if name in COLUMNS else 0) for name in names)
            connection.execute(f"INSERT INTO scenes VALUES ({', '.join('?' * len(names))})", values)
            done()
        found = frozenset(token for (token,) in connection.execute(f"SELECT token FROM scenes WHERE {condition.sql}", condition.values))
    finally:
        connection.close()
    return Kept(found, tuple(name for name in names if name not in COLUMNS and name not in heard))
