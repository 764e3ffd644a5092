"""What is really there, at one moment: for the expert, the judge, the renderer and the labels; a policy never sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Lamp(str, Enum):
    """What a signal shows."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"


class ActorKind(str, Enum):
    """What an actor is."""

    CAR = "car"
    TRUCK = "truck"
    BUS = "bus"
    BICYCLE = "bicycle"
    PEDESTRIAN = "pedestrian"
    GUIDE = "guide"  # a traffic guide of a work zone: helmet, vest, flag
    CONE = "cone"
    BARRIER = "barrier"


class GuideSign(str, Enum):
    """What a traffic guide shows to the driver."""

    NONE = ""
    STOP = "stop"
    GO = "go"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that a car must not touch.

    Attributes:
        id: unique in the world, 1 … 9999, for the whole run.
        kind: of it.
        x_m, y_m, yaw_rad: middle of its box on the ground, direction.
        speed_mps, accel_mps2: along its direction.
        length_m, width_m, height_m: of its box, upright on the ground.
        yaw_rate_rps: left positive.
        brake: its brake lights are on.
        indicator: 1 left, -1 right, 2 hazard, 0 off.
        stride_m: how far it has walked or ridden, for the legs.
        look: a number that decides colours.
        sign: of a guide.
        lane: that it drives on, or -1.
        lane_s_m: arc length of its middle on that lane.
    """

    id: int
    kind: ActorKind
    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    length_m: float
    width_m: float
    height_m: float
    accel_mps2: float = 0.0
    yaw_rate_rps: float = 0.0
    brake: bool = False
    indicator: int = 0
    stride_m: float = 0.0
    look: int = 0
    sign: GuideSign = GuideSign.NONE
    lane: int = -1
    lane_s_m: float = 0.0


@dataclass(frozen=True, slots=True)
class EgoTruth:
    """The ego car: pose of base_link (ground under the rear axle) in the world, motion, and box.

    Attributes:
        front_m, rear_m, half_width_m, height_m: box around the car: x from -rear_m to front_m in base_link.
        engaged: it follows Heron.
        route_s_m: how far along the route, metres.
    """

    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    accel_mps2: float = 0.0
    yaw_rate_rps: float = 0.0
    steer_rad: float = 0.0
    front_m: float = 3.7
    rear_m: float = 1.0
    half_width_m: float = 0.925
    height_m: float = 1.5
    engaged: bool = False
    route_s_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Truth:
    """The world at one moment.

    Attributes:
        time_ns: since the world began; signals are a function of it.
        ego: the car.
        actors: everybody else, by id.
        lamps: signal group → what it shows.
        stamp_ns: the same moment on the one clock; 0 where there is none.
    """

    time_ns: int
    ego: EgoTruth
    actors: tuple[Actor, ...] = ()
    lamps: Mapping[int, Lamp] = field(default_factory=dict)
    stamp_ns: int = 0

    @property
    def time_s(self) -> float:
        """Seconds since the world began."""
        return self.time_ns / 1e9
