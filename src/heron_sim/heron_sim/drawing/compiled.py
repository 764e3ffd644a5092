"""How kernels are compiled: cached, without reordered arithmetic (the same bits on every run), and with their types kept for the reader."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """`function` as machine code."""
    machine: Function = njit(cache=True, error_model="numpy")(function)
    return machine


def inlined(function: Function) -> Function:
    """`function` as a part of its compiled callers: spares handing over many arrays for each pixel."""
    machine: Function = njit(inline="always", error_model="numpy")(function)
    return machine


def compiled_parallel(function: Function) -> Function:
    """`function` as machine code whose `prange` loops share the cores; their passes must not depend on one another."""
    machine: Function = njit(cache=True, parallel=True, error_model="numpy")(function)
    return machine
