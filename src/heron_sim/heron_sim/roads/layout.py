"""A plan of streets and junctions, before lanes are laid: the generator draws one, `build` makes a network of it. Traffic keeps left here."""

from __future__ import annotations

from dataclasses import dataclass

from heron_sim.roads.line import Line


@dataclass(frozen=True)
class Street:
    """A street between two junctions.

    Attributes:
        centre: its middle, from the middle of the junction at its start to the one at its end; straight near both.
        start, end: junctions, or None where it just ends.
        lanes: in each direction.
        lane_m: width of a lane.
        shoulder_m: from the outer lane to the kerb.
        speed_mps: limit.
        centrality: 0 outskirts … 1 city: decides buildings.
        parking: cars stand on the shoulders.
        crossing_m: arc length of a pedestrian crossing between the junctions, or None.
    """

    centre: Line
    start: int | None
    end: int | None
    lanes: int = 1
    lane_m: float = 3.25
    shoulder_m: float = 0.75
    speed_mps: float = 50.0 / 3.6
    centrality: float = 0.5
    parking: bool = False
    crossing_m: float | None = None

    @property
    def half_m(self) -> float:
        """From the middle to the kerb."""
        return self.lanes * self.lane_m + self.shoulder_m


@dataclass(frozen=True)
class Node:
    """A junction.

    Attributes:
        x_m, y_m: where the middles of its streets meet.
        signals: it has traffic lights; else the streets other than `main` give way.
        main: streets (two of them, or one) that have priority.
        crossings: its streets have pedestrian crossings.
        offset_s, green_s: of the program: green of the main streets, then of the others.
    """

    x_m: float
    y_m: float
    signals: bool
    main: tuple[int, ...]
    crossings: bool = True
    offset_s: float = 0.0
    green_s: tuple[float, float] = (20.0, 16.0)


@dataclass(frozen=True)
class Layout:
    """Streets and junctions; indices are ids.

    Attributes:
        corner_m: radius of the kerbs at corners.
        kerb_m, sidewalk_m: widths of kerb stones and of pavements.
    """

    streets: tuple[Street, ...]
    nodes: tuple[Node, ...]
    corner_m: float = 8.0
    kerb_m: float = 0.2
    sidewalk_m: float = 3.0
