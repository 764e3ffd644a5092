"""What all signals show, asked as time goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping

from heron_sim.roads.network import Lamp, RoadNetwork

MARGIN_S = 1e-6  # before a lamp may change its program is asked again


class Lamps:
    """Asks a program only when what it shows may have changed."""

    def __init__(self, network: RoadNetwork) -> None:
        """Of all groups of a network, by id."""
        self._network = network
        self._until_s = dict.fromkeys(sorted(network.groups), -math.inf)
        self._now: dict[int, Lamp] = {}
        self._changes_s = -math.inf

    def at(self, time_s: float) -> Mapping[int, Lamp]:
        """Signal group → what it shows; not to be called with an earlier time than before. What was returned stays as it is."""
        if time_s >= self._changes_s:
            now = dict(self._now)
            for group, until_s in self._until_s.items():
                if time_s >= until_s:
                    now[group], left_s = self._network.outlook(group, time_s)
                    self._until_s[group] = time_s + left_s - MARGIN_S
            self._now, self._changes_s = now, min(self._until_s.values(), default=math.inf)
        return self._now
