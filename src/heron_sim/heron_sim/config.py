"""Settings of the world, and their defaults; a scenario file holds one `ScenarioConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from heron_sim.roads.network import Manoeuvre

Light = Literal["day", "dusk", "night"]
Sky = Literal["clear", "overcast", "rain", "fog"]

LARGEST_SEED = 2**31 - 1


def _between(owner: object, **limits: tuple[float, float]) -> None:
    for name, (low, high) in limits.items():
        value = getattr(owner, name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} = {value}, allowed {low:.10g} .. {high:.10g}")


@dataclass(frozen=True)
class TownConfig:
    """Which town.

    Attributes:
        seed: of the generated town; None: the seed of the run.
        net: a SUMO network (`.net.xml`) instead, relative to the scenario file; empty: generated.
        left_hand: traffic keeps left, as in Japan.
        blocks: streets in each direction of a generated town.
        block_m: mean distance between junctions.
        signals: share of junctions with traffic lights; the rest give way.
        curvy: 0 (a grid) … 1: how much streets bend.
    """

    seed: int | None = None
    net: str = ""
    left_hand: bool = True
    blocks: int = 5
    block_m: float = 130.0
    signals: float = 0.7
    curvy: float = 0.6

    def __post_init__(self) -> None:
        _between(self, seed=(0, LARGEST_SEED), blocks=(3, 12), block_m=(90.0, 400.0), signals=(0.0, 1.0), curvy=(0.0, 1.0))


@dataclass(frozen=True)
class WeatherConfig:
    """Light and air.

    Attributes:
        light: day, dusk, night.
        sky: clear, overcast, rain, fog.
        sun_azimuth_deg: direction that sunlight comes from, counter-clockwise from east.
        visibility_m: in fog: distance at which contrast falls to 5 %; rain and haze have their own.
    """

    light: Light = "day"
    sky: Sky = "clear"
    sun_azimuth_deg: float = 140.0
    visibility_m: float = 90.0

    def __post_init__(self) -> None:
        _between(self, sun_azimuth_deg=(-360.0, 360.0), visibility_m=(20.0, 2000.0))


@dataclass(frozen=True)
class WorkZoneConfig:
    """A work zone in the ego car's lane with a traffic guide who stops it and lets it pass.

    Attributes:
        at_m: arc length on the route at which the guide stands.
        length_m: of the closed part.
        stop_s: how long each closing of the lane lasts.
        go_s: how long it is open then.
    """

    at_m: float = 120.0
    length_m: float = 30.0
    stop_s: float = 12.0
    go_s: float = 15.0

    def __post_init__(self) -> None:
        _between(self, at_m=(40.0, 5000.0), length_m=(5.0, 200.0), stop_s=(0.0, 600.0), go_s=(1.0, 600.0))


@dataclass(frozen=True)
class TrafficConfig:
    """Who else is there.

    Attributes:
        cars, trucks, bicycles, pedestrians: how many, within `around_m` of the route.
        around_m: actors live within this distance of the route.
        lead_car: one car starts ahead of the ego car on its route.
        lead_stops_s: time at which the lead car brakes to a halt for a while; None: never.
        crossing_pedestrian_m: a pedestrian steps onto the crossing nearest to this arc length of the route as the ego car comes; None: none scripted.
        cut_in_s: time at which a car from the neighbour lane cuts in; None: never. Needs a road with two lanes.
        work_zone: None: none.
    """

    cars: int = 14
    trucks: int = 2
    bicycles: int = 3
    pedestrians: int = 16
    around_m: float = 220.0
    lead_car: bool = False
    lead_stops_s: float | None = None
    crossing_pedestrian_m: float | None = None
    cut_in_s: float | None = None
    work_zone: WorkZoneConfig | None = None

    def __post_init__(self) -> None:
        _between(self, cars=(0, 200), trucks=(0, 50), bicycles=(0, 50), pedestrians=(0, 300), around_m=(50.0, 2000.0))
        _between(self, lead_stops_s=(0.0, 3600.0), crossing_pedestrian_m=(0.0, 20000.0), cut_in_s=(0.0, 3600.0))
        if self.lead_stops_s is not None and not self.lead_car:
            raise ValueError(f"lead_stops_s = {self.lead_stops_s:g}, but no lead_car; set lead_car: true")


@dataclass(frozen=True)
class RouteConfig:
    """Where the ego car goes.

    Attributes:
        turns: manoeuvres at the first junctions; what follows is drawn by the seed. Empty: all drawn.
        length_m: of the whole, at least.
        start_speed_mps: of the ego car.
    """

    turns: tuple[Manoeuvre, ...] = ()
    length_m: float = 900.0
    start_speed_mps: float = 0.0

    def __post_init__(self) -> None:
        _between(self, length_m=(50.0, 20000.0), start_speed_mps=(0.0, 30.0))


@dataclass(frozen=True)
class CriteriaConfig:
    """What a run must not exceed to pass.

    Attributes:
        at_fault_collisions, red_lights_run: at most.
        off_road_s, wrong_lane_s: at most, seconds.
        distance_m: at least.
        disengagements: at most.
        guide_signs_run, pedestrians_not_yielded: at most.
        must_stop: the car must have stood still for a second at least once, whatever for.
        must_stop_for_guide: at least once before a guide who showed stop.
    """

    at_fault_collisions: int = 0
    red_lights_run: int = 0
    off_road_s: float = 0.0
    wrong_lane_s: float = 1.0
    distance_m: float = 0.0
    disengagements: int = 0
    must_stop: bool = False
    must_stop_for_guide: bool = False
    guide_signs_run: int = 0
    pedestrians_not_yielded: int = 0

    def __post_init__(self) -> None:
        _between(self, off_road_s=(0.0, 3600.0), wrong_lane_s=(0.0, 3600.0), distance_m=(0.0, 1e6))
        for name in ("at_fault_collisions", "red_lights_run", "disengagements", "guide_signs_run", "pedestrians_not_yielded"):
            _between(self, **{name: (0, 10**6)})


@dataclass(frozen=True)
class ScenarioConfig:
    """One scenario.

    Attributes:
        title: one sentence for people.
        seconds: how long.
        town, weather, traffic, route, criteria: see there.
    """

    title: str = "a drive through the town"
    seconds: float = 60.0
    town: TownConfig = field(default_factory=TownConfig)
    weather: WeatherConfig = field(default_factory=WeatherConfig)
    traffic: TrafficConfig = field(default_factory=TrafficConfig)
    route: RouteConfig = field(default_factory=RouteConfig)
    criteria: CriteriaConfig = field(default_factory=CriteriaConfig)

    def __post_init__(self) -> None:
        _between(self, seconds=(1.0, 3600.0))


@dataclass(frozen=True)
class WorldNodeConfig:
    """Parameters of `WorldNode`.

    Attributes:
        vehicle: folder of the car: rig.yaml, vehicle.yaml, can.yaml, limits.yaml.
        scenario: path of the scenario's file.
        seed: of everything that is drawn.
        seconds: how long; 0: as the scenario says.
        images: render the cameras.
        jpeg_quality: of the images, 1 … 100.
        threads: that encode images.
    """

    vehicle: str = "config/vehicle/demo"
    scenario: str = "config/scenario/town.yaml"
    seed: int = 0
    seconds: float = 0.0
    images: bool = True
    jpeg_quality: int = 85
    threads: int = 2

    def __post_init__(self) -> None:
        _between(self, seed=(0, LARGEST_SEED), seconds=(0.0, 3600.0), jpeg_quality=(1, 100), threads=(1, 64))


@dataclass(frozen=True)
class ExpertNodeConfig:
    """Parameters of `ExpertNode`.

    Attributes:
        vehicle, scenario, seed: as those of the world.
        images: plan on frame sets, as a policy does; else on the truth, without waiting for pictures.
    """

    vehicle: str = "config/vehicle/demo"
    scenario: str = "config/scenario/town.yaml"
    seed: int = 0
    images: bool = True

    def __post_init__(self) -> None:
        _between(self, seed=(0, LARGEST_SEED))
