"""Tables with named columns: one array each, so that kernels take few arguments and compile fast."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Records: TypeAlias = "np.recarray[Any, Any]"


def records(**columns: NDArray[Any] | list[Any]) -> Records:
    """A table from its columns; whole numbers become int64, others float64. A shorter column is filled up with zeros.

    Columns may have a second axis.
    """
    arrays = {name: _wide(np.asarray(column)) for name, column in columns.items()}
    rows = max(len(array) for array in arrays.values())
    table: Records = np.zeros(rows, [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()]).view(np.recarray)
    for name, array in arrays.items():
        table[name][: len(array)] = array
    return table


def columns(table: Records) -> SimpleNamespace:
    """The columns of a table by name, as views: for Python code that reads them often (a table looks its columns up anew each time)."""
    return SimpleNamespace(**{name: table[name] for name in table.dtype.names or ()})


def _wide(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(np.int64 if column.dtype.kind in "iub" else np.float64)
