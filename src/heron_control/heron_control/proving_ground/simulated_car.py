"""A simulated car with the control units of its buses and a scripted driver, tick by tick; knows neither wall clock nor sockets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from heron_can.car import Car
from heron_can.command_ecu import TIMEOUT_NS, CommandEcu, Followed
from heron_can.ecu import CarEcus
from heron_can.frame import Frame
from heron_control.proving_ground.course import Course
from heron_control.proving_ground.plant import Plant
from heron_control.proving_ground.scripted_driver import Act, Doing, ScriptedDriver
from heron_core.vehicle_model import VehicleModel

TICK_NS = 10_000_000
# Signals that the plant does not move; a script may.
AT_REST = {"throttle": 0.0, "brake": 0.0, "brake_pressed": 0.0, "driver_torque": 0.0, "gear": 1.0, "indicator": 0.0, "door_open": 0.0}
AT_REST |= {"belt_fastened": 1.0, "eps_fault": 0.0, "engage_button": 0.0, "cancel_button": 0.0}


class SimulatedCar:
    """A car on a course, from tick to tick of 100 Hz.

    While nobody is followed, its driver keeps it on the course and at its speed, unless the script says what the feet do.

    Attributes:
        plant: the truth.
        ecu: steering and brakes.
    """

    def __init__(
        self, car: Car, model: VehicleModel, course: Course, acts: Sequence[Act], start_ns: int, timeout_ns: int = TIMEOUT_NS, seed: int | None = None
    ) -> None:
        """At the start of the course, at its speed.

        Args:
            car: its buses.
            model: geometry and actuators.
            course: that its driver keeps to.
            acts: of the driver.
            start_ns: time of the first tick.
            timeout_ns: without commands, after which steering and brakes let go.
            seed: of the sensors' noise; None: they tell the truth.
        """
        begin = course.at(0.0)
        self.plant = Plant(model, seed, pose=begin.pose, speed_mps=begin.speed_mps, steer_rad=model.steer(begin.curvature_per_m))
        self.ecu = CommandEcu(car, timeout_ns)
        self.driver = ScriptedDriver(acts)
        self._ecus = CarEcus(car, start_ns)
        self._model, self._course, self._start_ns = model, course, start_ns
        self._known = [(name.removeprefix("state."), name) for name in car.sources if name.startswith("state.")]
        self._along_m = 0.0
        self.followed = Followed(None, None, False)
        self.doing = Doing({}, None, False, ())

    def tick(self, now_ns: int) -> list[tuple[str, Frame]]:
        """Drives up to `now_ns`, 10 ms after the last tick; the command frames until then were given to `ecu`.

        Returns:
            (bus, frame) of what its control units say.
        """
        self.followed = followed = self.ecu.command(now_ns)
        driven = followed.steer_rad is not None and followed.accel_mps2 is not None
        self.doing = self.driver.step((now_ns - self._start_ns) / 1e9, self.plant.speed_mps, driven)
        self.plant.driver_steer, self.plant.driver_accel = self._hands(), self.doing.accel_mps2
        self.plant.step(TICK_NS / 1e9, followed.steer_rad, followed.accel_mps2, followed.hold)
        values = {**AT_REST, **self.plant.measured(), **self.doing.signals}
        return self._ecus.frames(now_ns, {key: values[name] for name, key in self._known if name in values})

    def truth(self) -> dict[str, Any]:
        """Motion, error to the course, what is followed; JSON."""
        plant, followed = self.plant, self.followed
        self._along_m, cross_m, heading = self._course.offset(plant.pose, self._along_m)
        exact = {"x": plant.x_m, "y": plant.y_m, "yaw": plant.yaw_rad, "speed": plant.speed_mps, "accel": plant.accel_mps2, "steer": plant.steer_rad}
        exact |= {"along": self._along_m, "cross": cross_m, "heading": heading}
        return {name: round(value, 5) for name, value in exact.items()} | {
            "steer_followed": followed.steer_rad,
            "accel_followed": followed.accel_mps2,
            "hold": followed.hold,
        }

    def _hands(self) -> float:
        """The driver's steering: the course's curvature, and back to it over a second of travel."""
        plant, course = self.plant, self._course
        along_m, cross_m, heading = course.offset(plant.pose, self._along_m)
        length_m = max(8.0, plant.speed_mps)
        bend = course.at(along_m + 0.1 * plant.speed_mps).curvature_per_m
        return self._model.steer(bend - 1.8 / length_m * math.sin(heading) - cross_m / length_m**2)
