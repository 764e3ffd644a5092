"""Read-only arrays: what is handed over by reference must not change afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Marks `array` as not writeable and returns it (the same buffer, no copy)."""
    array.flags.writeable = False
    return array


def address(array: NDArray[Any]) -> int:
    """Address of the array's first element, to prove that a hand-over copied nothing."""
    return int(array.__array_interface__["data"][0])


def as_float64(values: Any, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """`values` as a read-only float64 array of exactly `shape`.

    Raises:
        ValueError: the shape differs.
    """
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    read_only(array)
    return array
