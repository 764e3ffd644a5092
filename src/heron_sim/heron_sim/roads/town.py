"""A town: its roads, what stands beside them, what is painted on the ground, and where on Earth it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from heron_sim.roads.network import RoadNetwork


class Surface(str, Enum):
    """What the ground is made of; the renderer knows its colour and grain."""

    GRASS = "grass"
    SIDEWALK = "sidewalk"
    KERB = "kerb"
    ASPHALT = "asphalt"
    GRAVEL = "gravel"
    WHITE = "white"
    YELLOW = "yellow"


@dataclass(frozen=True)
class Paint:
    """A polygon (n, 2) on the ground; later ones cover earlier ones. `holes` are cut out."""

    surface: Surface
    polygon: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True)
class Building:
    """A house: middle of its base, direction, size, and a number that decides its looks."""

    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    look: int = 0


@dataclass(frozen=True)
class Tree:
    """A tree: foot, height, and a number that decides its looks."""

    x_m: float
    y_m: float
    height_m: float
    look: int = 0


@dataclass(frozen=True)
class StreetLight:
    """A street light: foot of the pole, direction of its arm (towards the road)."""

    x_m: float
    y_m: float
    yaw_rad: float
    height_m: float = 7.5


class SignKind(str, Enum):
    """What a sign says."""

    STOP = "stop"
    YIELD = "yield"
    LIMIT_30 = "limit_30"
    LIMIT_40 = "limit_40"
    LIMIT_50 = "limit_50"
    LIMIT_60 = "limit_60"
    CROSSING = "crossing"
    NO_ENTRY = "no_entry"
    WORK = "work"


@dataclass(frozen=True)
class Sign:
    """A sign on a pole: foot, direction that it faces."""

    kind: SignKind
    x_m: float
    y_m: float
    yaw_rad: float


PARKED_M = (4.4, 1.75)  # length and width of every parked car's box


@dataclass(frozen=True)
class ParkedCar:
    """A car that stands beside the lanes all day: middle, direction, and a number that decides its looks."""

    x_m: float
    y_m: float
    yaw_rad: float
    look: int = 0


@dataclass(frozen=True)
class GeoOrigin:
    """WGS84 place of the world's (0, 0, 0): degrees, ellipsoidal height in metres."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float = 0.0


@dataclass(frozen=True)
class Town:
    """A place to drive in; the same for the same seed.

    Attributes:
        name: for people, e.g. `town 7`.
        network: roads.
        origin: place on Earth.
        paints: the ground, in order of painting; what none covers is grass.
        buildings, trees, lights, signs, parked: what stands about.
    """

    name: str
    network: RoadNetwork
    origin: GeoOrigin
    paints: tuple[Paint, ...] = ()
    buildings: tuple[Building, ...] = ()
    trees: tuple[Tree, ...] = ()
    lights: tuple[StreetLight, ...] = ()
    signs: tuple[Sign, ...] = ()
    parked: tuple[ParkedCar, ...] = field(default=())
