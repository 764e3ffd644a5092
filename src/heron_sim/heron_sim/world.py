"""The world around Heron: town, traffic, and the car on the other end of its CAN bus, tick by tick; knows neither wall clock nor ROS."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from heron_can.command_ecu import CommandEcu, Followed
from heron_can.ecu import CarEcus
from heron_can.frame import Frame
from heron_control.proving_ground.closed_loop import LoopCar
from heron_control.proving_ground.plant import Plant, PlantNoise
from heron_control.proving_ground.scripted_driver import Doing
from heron_control.proving_ground.simulated_car import AT_REST, TICK_NS
from heron_core.errors import InputError
from heron_core.signals import Engagement, Instruction
from heron_core.truth import EgoTruth, Truth
from heron_sim.config import ScenarioConfig
from heron_sim.roads.lamps import Lamps
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route
from heron_sim.roads.town import Town
from heron_sim.safety_driver import SafetyDriver
from heron_sim.sensors_gnss import GnssReading, GnssReceiver
from heron_sim.traffic.traffic import Traffic

TRAFFIC_NS = 50_000_000
GNSS_NS = 100_000_000
START_S_M = 6.0  # the ego car's rear axle stands so far along its route
INDICATE_M = 40.0  # before a turn the driver sets the indicator
SPAWN_GAP_M = 1.0
HANDS_TICKS = 20  # of following Heron, then the driver's hands no longer steer: more than the steering's dead time
IMU = {"rate_z": "yaw_rate", "accel_x": "accel_x", "accel_y": "accel_y"}  # field → value of the state that has the same sensor
PLACE = ("gnss.latitude_deg", "gnss.longitude_deg", "gnss.altitude_m")
SAID = {
    Manoeuvre.FOLLOW: "follow the road",
    Manoeuvre.LEFT: "turn left at the junction",
    Manoeuvre.RIGHT: "turn right at the junction",
    Manoeuvre.STRAIGHT: "go straight on at the junction",
}


class World:
    """One scenario in progress.

    The car's driver keeps it on the route while nobody is followed, presses the button, and presses it again after a standstill.

    Attributes:
        plant: the car as it truly is.
        ecu: its steering and brakes; `ecu.counts` tells which command frames were wrong.
        driver: of the car; `driver.engaged` counts how often the car began to follow Heron.
        display: what the car shows its driver about who drives; whoever knows sets it.
        gnss: the newest reading of the receiver.
        led: what steering and brakes follow instead of command frames; None: the frames.
    """

    def __init__(self, town: Town, route: Route, scenario: ScenarioConfig, seed: int, vehicle: LoopCar, start_ns: int = 0) -> None:
        """At the start of the route.

        Args:
            town: the place.
            route: of the ego car.
            scenario: who is there, and how fast the ego car starts.
            seed: of everything that is drawn.
            vehicle: the ego car.
            start_ns: the one clock's time at which the world begins.

        Raises:
            InputError: there is no room for the car at the start of its route.
        """
        self.town, self.route, self.scenario, self.seed = town, route, scenario, seed
        self.start_ns = self.now_ns = start_ns
        self._model = vehicle.model
        begin = route.line.at(START_S_M)
        self.plant = Plant(vehicle.model, seed, PlantNoise(), pose=begin, speed_mps=scenario.route.start_speed_mps)
        self.ecu = CommandEcu(vehicle.car)
        self.driver, self.display = SafetyDriver(), Engagement.OFF
        self._ecus = CarEcus(vehicle.car, start_ns)
        known = [name.removeprefix("state.") for name in vehicle.car.sources if name.startswith("state.")]
        self._named = {name: (f"state.{name}", *(f"imu.{field}" for field, said in IMU.items() if said == name)) for name in known}
        self._values: dict[str, float] = {}
        self._say(AT_REST)
        self._doing: Mapping[str, float] = {}
        self._engaged = False
        self._engaged_ticks = 0
        self._along: tuple[int, float] = (start_ns, START_S_M)
        self._receiver = GnssReceiver(town, seed)
        self.gnss: GnssReading | None = None
        self.led: Followed | None = None
        self._lamps = Lamps(town.network)
        self._traffic = Traffic(town, route, scenario.traffic, seed)
        self._check_room()

    def tick(self, now_ns: int) -> list[tuple[str, Frame]]:
        """Drives up to `now_ns`, 10 ms after the last tick (the first: after `start_ns`).

        Returns:
            (bus, frame) of what the car's control units say.
        """
        time_s = (now_ns - self.start_ns) / 1e9
        followed = self.ecu.command(now_ns) if self.led is None else self.led
        self._engaged = followed.steer_rad is not None and followed.accel_mps2 is not None
        doing = self.driver.step(time_s, self.plant.speed_mps, self._engaged, self.display)
        self._engaged_ticks = self._engaged_ticks + 1 if self._engaged else 0
        self.plant.driver_accel = doing.accel_mps2
        if self._engaged_ticks < HANDS_TICKS:
            self.plant.driver_steer = self._hands()
        self.plant.step(TICK_NS / 1e9, followed.steer_rad, followed.accel_mps2, followed.hold)
        self.now_ns = now_ns
        since_ns = now_ns - self.start_ns
        if since_ns % TRAFFIC_NS == 0:
            self._traffic.step(TRAFFIC_NS / 1e9, time_s, self.ego())
        if since_ns % GNSS_NS == 0:
            self.gnss = self._receiver.read(self.plant.x_m, self.plant.y_m)
            for name in PLACE:
                self._values.pop(name, None)  # without a fix none is sent
            self._values.update(self.gnss.signals())
            self._say({"indicator": float(self._indicator())})
        self._feel(doing)
        return self._ecus.frames(now_ns, self._values)

    def receive(self, bus: str, frame: Frame) -> None:
        """Takes a frame that Heron wrote; wrong ones are counted in `ecu.counts` and not followed."""
        self.ecu.receive(bus, frame)

    def ego(self) -> EgoTruth:
        """The car as it truly is."""
        plant = self.plant
        return EgoTruth(
            plant.x_m,
            plant.y_m,
            plant.yaw_rad,
            plant.speed_mps,
            plant.accel_mps2,
            plant.yaw_rate_rps,
            plant.steer_rad,
            engaged=self._engaged,
            route_s_m=self.route_s_m,
        )

    def truth(self) -> Truth:
        """Everything as it is now."""
        time_ns = self.now_ns - self.start_ns
        return Truth(time_ns, self.ego(), self._traffic.actors, self._lamps.at(time_ns / 1e9), self.now_ns)

    def instruction(self) -> Instruction:
        """What the route asks for here."""
        manoeuvre = self.route.instructed_at(self.route_s_m)
        return Instruction(self.now_ns, manoeuvre.value, SAID[manoeuvre])

    @property
    def route_s_m(self) -> float:
        """How far along its route the car is."""
        if self._along[0] != self.now_ns:
            self._along = self.now_ns, max(self.route.line.nearest(self.plant.x_m, self.plant.y_m, self._along[1])[0], 0.0)
        return self._along[1]

    @property
    def counts(self) -> Counter[str]:
        """Of command frames and of the driver."""
        return self.ecu.counts + Counter({"engaged": self.driver.engaged, "buttons": self.driver.presses})

    @property
    def notes(self) -> tuple[str, ...]:
        """Whom of the scenario's traffic there was no room for, in sentences."""
        return self._traffic.notes

    def _check_room(self) -> None:
        ego = self.ego()
        c, s = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        middle, half = (ego.front_m - ego.rear_m) / 2.0, (ego.front_m + ego.rear_m) / 2.0
        for actor in self.truth().actors:
            dx, dy = actor.x_m - ego.x_m - c * middle, actor.y_m - ego.y_m - s * middle
            along, across = abs(c * dx + s * dy), abs(c * dy - s * dx)
            if along < half + actor.length_m / 2.0 + SPAWN_GAP_M and across < ego.half_width_m + actor.width_m / 2.0:
                raise InputError(
                    f"no room to spawn: a {actor.kind.value} stands where the car is to start (route at {START_S_M:g} m); other seed or less traffic"
                )

    def _feel(self, doing: Doing) -> None:
        """What the sensors say, by source name of can.yaml, and what the driver does."""
        if self._doing:
            self._say({name: AT_REST[name] for name in self._doing})
        self._doing = doing.signals
        self._say(self.plant.measured())
        self._say(doing.signals)

    def _say(self, values: Mapping[str, float]) -> None:
        named = self._named
        for name, value in values.items():
            for source in named.get(name, ()):
                self._values[source] = value

    def _indicator(self) -> int:
        manoeuvre = self.route.turning_at(self.route_s_m, INDICATE_M)
        return {Manoeuvre.LEFT: 1, Manoeuvre.RIGHT: -1}.get(manoeuvre, 0)

    def _hands(self) -> float:
        """The driver's steering: the route's curvature, and back to it over a second of travel."""
        plant, line = self.plant, self.route.line
        along_m, cross_m = line.nearest(plant.x_m, plant.y_m, self._along[1])
        length_m = max(8.0, plant.speed_mps)
        ahead = line.at(along_m + 0.1 * plant.speed_mps)
        near = line.at(along_m + 0.1 * plant.speed_mps + 1.0)
        bend = math.remainder(near.yaw - ahead.yaw, 2.0 * math.pi)
        heading = math.remainder(plant.yaw_rad - line.at(along_m).yaw, 2.0 * math.pi)
        steer = self._model.steer(bend - 1.8 / length_m * math.sin(heading) - cross_m / length_m**2)
        return min(max(steer, -self._model.steer_max_rad), self._model.steer_max_rad)
