"""General data: pairs of texts without any picture, so that a model does not forget how to read and speak while it learns to drive.

A line of the source is JSON: `{"text": what is said to the model, "english": its answer}`, with `japanese` beside or instead of `english`.
Such a sample teaches its answer and nothing else: no history, no trajectory, black pictures.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from heron_core.errors import InputError
from heron_model.layout import views
from heron_model.sample_writer import begin_folder, blank, describe_folder, write_rows

KEYS = ("text", "english", "japanese")


def text_samples(source: Path, folder: Path) -> int:
    """Makes a folder of samples of a .jsonl file; returns how many.

    Raises:
        InputError: a line that is something else, an empty file, or the folder is not empty.
    """
    rows = [blank(0) | entry | {"labelled": True} for entry in _read(source)]
    if not rows:
        raise InputError(f'{source}: holds no line; expected one {{"text": …, "english": …}} a line')
    begin_folder(folder)
    write_rows(folder / "text.parquet", rows)
    describe_folder(folder, views(), "text", file=source.name, samples=len(rows))
    return len(rows)


def _read(source: Path) -> list[dict[str, Any]]:
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not UTF-8 text: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise InputError(f"{source}, line {number}: not JSON: {error}") from error
        if not isinstance(entry, dict) or not set(entry) <= set(KEYS) or not all(isinstance(value, str) for value in entry.values()):
            raise InputError(f"{source}, line {number}: expected texts called {', '.join(KEYS)}, found {line[:80]}")
        if not entry.get("text") or not (entry.get("english") or entry.get("japanese")):
            raise InputError(f"{source}, line {number}: needs a text, and an answer in english or japanese")
        found.append(entry)
    return found
