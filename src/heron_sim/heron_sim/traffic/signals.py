"""Signal programs as flat arrays: what a group shows, asked inside kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from heron_sim.drawing.compiled import compiled
from heron_sim.roads.network import RoadNetwork
from heron_sim.traffic.records import Records, records

RED, YELLOW, GREEN = 0, 1, 2


class SignalTable(NamedTuple):
    """Windows of green by group, as `SignalProgram.outlook` would answer.

    Attributes:
        groups: by id, and one row more that ends the last: `cycle`, `offset` (s), `first`: its windows.
        windows: `start`, `green_end`, `yellow_end`: s into the cycle.
    """

    groups: Records
    windows: Records


def signal_table(network: RoadNetwork) -> SignalTable:
    """The network's signals for the kernels; groups that no junction rules are always red."""
    count = max(network.groups, default=-1) + 1
    cycle, offset, first = np.ones(count), np.zeros(count), [0]
    windows: list[tuple[float, float, float]] = []
    for group in range(count):
        program = network.junctions[network.groups[group]].program if group in network.groups else None
        if program is not None:
            cycle[group], offset[group] = program.cycle_s, program.offset_s
            windows += program.windows(group)
        first.append(len(windows))
    table = np.array(windows, np.float64).reshape(-1, 3)
    groups = records(first=np.array(first), cycle=cycle, offset=offset)
    return SignalTable(groups, records(start=table[:, 0], green_end=table[:, 1], yellow_end=table[:, 2]))


@compiled
def lamp(signals: SignalTable, group: int, time_s: float) -> tuple[int, float]:
    """What `group` shows, and for how long it still shows green or yellow (s; 0 when red)."""
    into = (time_s - signals.groups.offset[group]) % signals.groups.cycle[group]
    for row in range(signals.groups.first[group], signals.groups.first[group + 1]):
        if signals.windows.start[row] <= into < signals.windows.green_end[row]:
            return GREEN, signals.windows.green_end[row] - into
        if signals.windows.green_end[row] <= into < signals.windows.yellow_end[row]:
            return YELLOW, signals.windows.yellow_end[row] - into
    return RED, 0.0
