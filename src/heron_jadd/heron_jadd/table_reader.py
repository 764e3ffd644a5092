"""Tables of a finished dataset, read by column: those that are wanted, one row group at a time, so that memory does not grow with the scenes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from heron_core.errors import InputError
from heron_jadd.merge import DATASET

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Tables:
    """The tables of a dataset.

    Args:
        path: of the dataset.

    Raises:
        InputError: it is none, or a table is missing.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.about: dict[str, Any] = json.loads((path / DATASET).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(f"{path}: no dataset: it has no {DATASET}; ./heron jadd create makes datasets") from error
        self.path, self.folder = path, path / str(self.about["tables"])
        scenes = self.file("scenes").read()
        self.tokens = scenes["token"].cast(pa.string()).combine_chunks()
        self.scenes: list[dict[str, Any]] = scenes.drop(["quality", "product", "profile"]).to_pylist()
        self.quality = scenes["quality"]
        self.start_ns, self.end_ns = (np.asarray(scenes[name].to_numpy(), np.int64) for name in ("start_ns", "end_ns"))

    def file(self, name: str) -> Any:
        """An open Parquet file; strings come as dictionaries, so that equal ones are read once."""
        found = self.folder / f"{name}.parquet"
        if not found.is_file():
            raise InputError(f"{self.path}: damaged: {found.relative_to(self.path)} is missing; ./heron jadd create makes it anew")
        schema = pq.read_schema(found)
        return pq.ParquetFile(found, read_dictionary=[field.name for field in schema if pa.types.is_string(field.type)])

    def has(self, name: str) -> bool:
        """Whether there is such a table; datasets of older versions have fewer."""
        return (self.folder / f"{name}.parquet").is_file()

    def groups(self, name: str, *columns: str, scenes: Collection[int] = ()) -> Iterator[tuple[I64, list[Any]]]:
        """(which scene each row belongs to, the columns) of one row group after the other.

        Args:
            name: of the table.
            columns: that are wanted.
            scenes: if any, row groups without a row of them are passed over.

        Raises:
            InputError: a row belongs to no scene.
        """
        file = self.file(name)
        for number in range(file.num_row_groups):
            tokens = _encoded(file.read_row_group(number, columns=["scene_token"])["scene_token"])
            which = pc.index_in(tokens.dictionary, value_set=self.tokens).fill_null(-1).to_numpy().astype(np.int64)
            if (which < 0).any():
                raise InputError(f"{self.path}: damaged: table {name} has rows of scenes that are not in table scenes")
            if scenes and not np.isin(which, list(scenes)).any():
                continue
            rows = file.read_row_group(number, columns=list(columns))
            yield which[tokens.indices.to_numpy()], [rows[column] for column in columns]

    def inside(self, scene: I64, stamp_ns: I64) -> NDArray[np.bool_]:
        """Which rows lie between the first and the last sample of their scene: tables reach further."""
        found: NDArray[np.bool_] = (stamp_ns >= self.start_ns[scene]) & (stamp_ns <= self.end_ns[scene])
        return found


def _encoded(column: Any) -> Any:
    """One dictionary array of a column of strings."""
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.DictionaryArray) else whole.dictionary_encode()


def distinct(column: Any) -> tuple[list[str], I64]:
    """Distinct strings of a column, and which of them each row is."""
    found = _encoded(column)
    return found.dictionary.to_pylist(), np.asarray(found.indices.to_numpy(), np.int64)


def numbers(column: Any) -> F64:
    """Numbers of a column; null is NaN."""
    return np.asarray(column.to_numpy(), np.float64)
