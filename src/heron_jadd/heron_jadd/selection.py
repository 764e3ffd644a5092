"""Scenes found by what happens in them: a query, a selection that is kept, and a dataset of its scenes and no others."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from heron_core.errors import InputError
from heron_jadd.catalogue import is_current, kinds
from heron_jadd.conditions import condition_of
from heron_jadd.database import database_of
from heron_jadd.job import SCENES, Job
from heron_jadd.merge import DATASET
from heron_jadd.nuscenes_files import link
from heron_jadd.publish import alone, publish
from heron_jadd.stored import dataset_of, jobs_of, recording_file, scene_rows
from heron_jadd.tokens import SCHEMA

SELECTIONS = "selections"
ALWAYS = ("token", "name", "recording", "driver", "split", "start_ns", "duration_s")


@dataclass(frozen=True)
class Found:
    """Scenes that a query found, in the dataset's order.

    Attributes:
        query: as typed.
        columns: that it asked for.
        rows: of the scenes: `ALWAYS` and those columns.
        scenes: in the dataset.
    """

    query: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    scenes: int

    @property
    def tokens(self) -> tuple[str, ...]:
        """Of the scenes."""
        return tuple(row["token"] for row in self.rows)


@dataclass(frozen=True)
class Column:
    """A column that can be asked for: its least and its greatest value, and how many scenes have one."""

    name: str
    least: float | int | str | None
    greatest: float | int | str | None
    scenes: int


def find(out: Path, query: str, limit: int | None = None) -> Found:
    """Scenes of the dataset of which a condition is true.

    Args:
        out: the dataset, with an up-to-date catalogue.
        query: as `heron_jadd.conditions` reads it, e.g. "hard_brakes > 0 OR disengagements > 0".
        limit: at most so many.

    Raises:
        InputError: no such column, not a condition, or a catalogue that is out of date.
    """
    _need_current(out)
    database = database_of(out)
    with database.reader() as session:
        condition = condition_of(query, kinds(session), database.like)
        names = tuple(dict.fromkeys((*ALWAYS, *condition.columns)))
        chosen = ", ".join(f'"{name}"' for name in names)
        most = "" if limit is None else f" LIMIT {int(limit)}"
        sql = f"SELECT {chosen} FROM scenes WHERE name IS NOT NULL AND {condition.sql} ORDER BY number{most}"
        try:
            rows = session.execute(sql, condition.values).fetchall()
        except database.errors as error:
            raise InputError(f"query {query!r}: {error}") from error
        scenes = session.execute("SELECT COUNT(name) FROM scenes").fetchone()[0]
    return Found(query, condition.columns, tuple(dict(zip(names, row, strict=True)) for row in rows), scenes)


def columns(out: Path) -> list[Column]:
    """What can be asked for.

    Raises:
        InputError: a catalogue that is out of date.
    """
    _need_current(out)
    with database_of(out).reader() as session:
        names = list(kinds(session))
        asked = ", ".join(f'MIN("{name}"), MAX("{name}"), COUNT("{name}")' for name in names)
        values = session.execute(f"SELECT {asked} FROM scenes WHERE name IS NOT NULL").fetchone()
    return [Column(name, *values[3 * k : 3 * k + 3]) for k, name in enumerate(names)]


def save_selection(out: Path, name: str, query: str, tokens: Sequence[str]) -> Path:
    """Keeps a selection with the dataset, as `selections/NAME.json`; the same selection gives the same bytes.

    Raises:
        InputError: a name that is no file's.
    """
    if not re.fullmatch(r"\w[\w.-]{0,99}", name):
        raise InputError(f"selection {name!r}: a name has letters, digits, _ - and . only")
    path = out / SELECTIONS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"schema": SCHEMA, "name": name, "query": query, "of": dataset_of(out)["tables"], "scenes": list(tokens)}
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return path


def saved_selection(out: Path, name: str) -> tuple[str, ...]:
    """Tokens of the scenes of a kept selection.

    Raises:
        InputError: there is none of that name, or it is damaged.
    """
    path = out / SELECTIONS / f"{name}.json"
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["scenes"]))
    except (FileNotFoundError, NotADirectoryError) as error:
        known = ", ".join(sorted(each.stem for each in (out / SELECTIONS).glob("*.json"))) or "none"
        raise InputError(f"{out}: no selection {name!r}; there is {known}; ./heron jadd find … --save NAME keeps one") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error}); ./heron jadd find … --save {name} makes it anew") from error


def select(source: Path, tokens: Sequence[str], out: Path, name: str, query: str = "") -> list[Path]:
    """Makes a dataset of some scenes of another; the folders for the devkit.

    Tokens and splits stay as they are; images are further names of the same files where the file system can do that, else copies.

    Args:
        source: the dataset.
        tokens: of its scenes; the order does not matter.
        out: folder of the new one, or one that this made before: scenes that are not selected are removed from it.
        name: of the selection.
        query: that found them.

    Raises:
        InputError: no scene, a scene that is not in the dataset, or a folder with another dataset.
    """
    dataset, wanted = dataset_of(source), set(tokens)
    rows = [row for row in scene_rows(source, dataset["tables"]) if row["token"] in wanted]
    missing = sorted(wanted - {row["token"] for row in rows})
    if missing:
        raise InputError(f"{source}: has no scene {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}")
    if not rows:
        raise InputError("no scene was selected; a dataset without any is none")
    if out.resolve() == source.resolve() or ((out / DATASET).exists() and "selection" not in dataset_of(out)):
        raise InputError(f"{out}: holds a dataset that is no selection; give another folder")
    from_there = jobs_of(source, rows, dataset["parameters"])
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        for job in from_there:
            _linked(job, out)
        jobs = jobs_of(out, rows, dataset["parameters"])
        about = {"name": name, "query": query, "of": dataset["tables"]}
        views = publish(jobs, {row["token"]: row["split"] for row in rows}, out, {"parameters": dataset["parameters"], "selection": about})
        for old in (out / SCENES).iterdir():
            if old.name not in wanted:
                shutil.rmtree(old)
    save_selection(out, name, query, [row["token"] for row in rows])
    return views


def _need_current(out: Path) -> None:
    if not is_current(out):
        raise InputError(f"{out}: its catalogue is out of date, or not there; heron_jadd.catalogue.update makes it")


def _linked(job: Job, out: Path) -> None:
    """A finished scene under another dataset as well; it is there when it is whole."""
    home = out / job.home.relative_to(job.store)
    if not (home / job.product).is_dir():
        shutil.rmtree(home, ignore_errors=True)  # of another product
        part = home.with_name(f".{home.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        (part / job.product).mkdir(parents=True)
        for table in sorted(job.folder.iterdir()):
            link(table, part / job.product / table.name)
        tables = [job.folder / f"{name}.parquet" for name in ("frames", "clouds")]
        for file in (file for table in tables if table.is_file() for file in pq.read_table(table, columns=["file"])["file"].to_pylist()):
            image = part / (job.store / file).relative_to(job.home)
            image.parent.mkdir(parents=True, exist_ok=True)
            link(job.store / file, image)
        part.rename(home)
    kept = [recording_file(job.store, job.recording.identity, job.config.cameras), *([job.track] if job.config.pose == "fusion" else [])]
    for file in kept:
        target = out / file.relative_to(job.store)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f".{target.name}.part")
            unfinished.unlink(missing_ok=True)
            link(file, unfinished)
            unfinished.replace(target)
