"""Signal programs as flat arrays: what a group shows, asked inside kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from heron_sim.roads.network import RoadNetwork

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
RED, YELLOW, GREEN = 0, 1, 2


class SignalTable(NamedTuple):
    """Windows of green by group, as `SignalProgram.outlook` would answer.

    Attributes:
        cycle, offset: (groups,) s.
        first: (groups + 1,) rows of the windows of a group.
        start, green_end, yellow_end: (windows,) s into the cycle.
    """

    cycle: F64
    offset: F64
    first: I64
    start: F64
    green_end: F64
    yellow_end: F64


def signal_table(network: RoadNetwork) -> SignalTable:
    """The network's signals for the kernels; groups that no junction rules are always red."""
    count = max(network.groups, default=-1) + 1
    cycle, offset, first = np.ones(count), np.zeros(count), [0]
    windows: list[tuple[float, float, float]] = []
    for group in range(count):
        program = network.junctions[network.groups[group]].program if group in network.groups else None
        if program is not None:
            cycle[group], offset[group] = program.cycle_s, program.offset_s
            start = 0.0
            for phase in program.phases:
                if group in phase.green:
                    windows.append((start, start + phase.green_s, start + phase.green_s + phase.yellow_s))
                start += phase.green_s + phase.yellow_s + phase.all_red_s
        first.append(len(windows))
    table = np.array(windows, np.float64).reshape(-1, 3)
    return SignalTable(cycle, offset, np.array(first, np.int64), table[:, 0].copy(), table[:, 1].copy(), table[:, 2].copy())


@njit(cache=True)
def lamp(signals: SignalTable, group: int, time_s: float) -> tuple[int, float]:
    """What `group` shows, and for how long it still shows green or yellow (s; 0 when red)."""
    into = (time_s - signals.offset[group]) % signals.cycle[group]
    for row in range(signals.first[group], signals.first[group + 1]):
        if signals.start[row] <= into < signals.green_end[row]:
            return GREEN, signals.green_end[row] - into
        if signals.green_end[row] <= into < signals.yellow_end[row]:
            return YELLOW, signals.yellow_end[row] - into
    return RED, 0.0
