"""A car for the fuzz: true bytes of its control units, spoiled in seeded ways, and every frame of both directions shown to the judge."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

from heron_bringup.actuation import frame_bits as bits
from heron_bringup.actuation.frame_judge import BusFrame, FrameJudge, Rules, Violation
from heron_can.car import Car, load_car
from heron_can.ecu import CarEcus
from heron_can.frame import Frame
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_control.can_codec import CanCodec
from heron_control.codec import RawFrame
from heron_control.proving_ground.plant import Plant
from heron_core.clock import Instant
from heron_core.limits import Limits, load_limits
from heron_core.vehicle import Odometry, VehicleState
from heron_core.vehicle_model import VehicleModel, load_vehicle_model

TICK_NS = 10_000_000
COMMAND_TIMEOUT_NS = 100_000_000  # the car's own: then its driver has it back
WHEELS = ("wheel_fl", "wheel_fr", "wheel_rl", "wheel_rr")
STEADY_SIGNALS = {"throttle": 0.0, "brake": 0.0, "brake_pressed": 0.0, "driver_torque": 0.0, "eps_fault": 0.0, "gear": 1.0, "indicator": 0.0}
STEADY_SIGNALS |= {"door_open": 0.0, "belt_fastened": 1.0, "engage_button": 0.0, "cancel_button": 0.0}

# What the driver or the car may do at any moment: name → the signals that say so.
DRIVER = {
    "gas": {"throttle": 0.4},
    "brake": {"brake": 0.3, "brake_pressed": 1.0},
    "hands": {"driver_torque": 5.0},
    "cancel": {"cancel_button": 1.0},
    "door": {"door_open": 1.0},
    "belt": {"belt_fastened": 0.0},
    "gear_reverse": {"gear": -1.0},
    "gear_neutral": {"gear": 0.0},
    "eps_fault": {"eps_fault": 1.0},
}
# Sensors that lie or fall silent, and what the bus and the car do. Values: shares of `Faults.amount`, see `FuzzCar`.
SENSORS = ("wheel_lies", "speed_lies", "all_speeds_lie", "speed_frozen", "backwards", "steer_lies", "steer_frozen")
SILENT: dict[str, tuple[int, ...]] = {
    "speed_silent": (bits.VEHICLE_SPEED,),
    "wheels_silent": (bits.WHEEL_SPEEDS,),
    "steering_silent": (bits.STEERING,),
}
SILENT |= {"all_speeds_silent": (bits.VEHICLE_SPEED, bits.WHEEL_SPEEDS), "car_silent": ()}
BYTES = ("bad_checksums", "frames_lost", "frames_repeated")
MOTION = ("speed_jumps", "speed_surges", "steering_stuck", "driver_turns")
BUS = ("bus_refuses", "bus_refuses_some")
FAULTS = (*DRIVER, *SENSORS, *SILENT, *BYTES, *MOTION, *BUS)


class Parts:
    """What every case shares and none changes."""

    def __init__(self, vehicle: Path) -> None:
        self.car: Car = load_car(vehicle)
        self.limits: Limits = load_limits(vehicle / "limits.yaml")
        self.model: VehicleModel = load_vehicle_model(vehicle / "vehicle.yaml")
        self.codec = CanCodec(self.car)
        self.rules = Rules.load(vehicle)


class FuzzCar:
    """One car, its bus, its two clocks, and the judge who reads along.

    Attributes:
        faults: that act now, with the strength of each (-1 … 1).
        met: how often each fault had its effect, in ticks.
        true_ns: time that no one can set.
        offset_ns: by which the one clock is ahead of it.
        unsafe: violations so far.
    """

    def __init__(self, parts: Parts, rng: Random, speed_mps: float, steer_rad: float) -> None:
        self._rng = rng
        self._ecus, self._assembler = CarEcus(parts.car, 0), VehicleStateAssembler(parts.car)
        self._integrator = OdometryIntegrator(parts.car.mapping.odometry, parts.model.wheelbase_m)
        self.plant = Plant(parts.model, rng.getrandbits(32), speed_mps=speed_mps, steer_rad=steer_rad)
        self.plant.driver_steer = steer_rad
        self.court = FrameJudge(parts.rules)
        self._ratio = parts.rules.steer_ratio
        self.faults: dict[str, float] = {}
        self.met: Counter[str] = Counter()
        self.true_ns, self.offset_ns = 0, 1_000_000_000_000
        self.unsafe: list[Violation] = []
        self._frozen: dict[str, float] = {}
        self._asked: tuple[int, float | None, float | None, bool] = (0, None, None, False)
        self._last_frames: dict[int, Frame] = {}

    @property
    def at(self) -> Instant:
        """Now, on both clocks."""
        return Instant(self.true_ns + self.offset_ns, self.true_ns)

    def drive(self, step_ns: int) -> None:
        """Time passes: the car moves, its units send, the frames are received."""
        if step_ns <= 0:
            return
        age_ns, steer, accel, hold = self.true_ns - self._asked[0], *self._asked[1:]
        if age_ns > COMMAND_TIMEOUT_NS or "steering_stuck" in self.faults:
            steer, accel, hold = None, (None if age_ns > COMMAND_TIMEOUT_NS else accel), False
            self.met["steering_stuck"] += "steering_stuck" in self.faults
        self._motion(step_ns)
        self.plant.step(step_ns / 1e9, steer, accel, hold)
        self.true_ns += step_ns
        values = {f"state.{name}": value for name, value in self._sensed().items()}
        for bus, frame in self._ecus.frames(self.true_ns, values):
            for heard in self._on_the_way(frame):
                self.court.take(BusFrame(frame.stamp_ns, bus, heard.id, heard.data, False))
                self._assembler.ingest(bus, (heard._replace(stamp_ns=heard.stamp_ns + self.offset_ns),), self.true_ns)

    def state(self) -> VehicleState:
        """What the car says now."""
        return self._assembler.state(self.at.now_ns, self.true_ns)

    def odometry(self, state: VehicleState) -> Odometry:
        """Where it says it is."""
        return self._integrator.update(state)

    def write(self, frame: RawFrame, now_ns: int) -> bool:
        """The gate's way to the bus."""
        refuses = "bus_refuses" if "bus_refuses" in self.faults else "bus_refuses_some"
        if refuses in self.faults and (refuses == "bus_refuses" or self._rng.random() < 0.3):
            self.met[refuses] += 1
            self.court.lost(frame.id)
            return False
        self.unsafe += self.court.take(BusFrame(self.true_ns, frame.bus, frame.id, frame.data, True))
        _, steer, accel, hold = self._asked
        if frame.id == bits.STEER_CMD:
            read = bits.steer_command(frame.data)
            steer = -read.steps * bits.STEER_STEP_DEG * 0.017453292519943295 / self._ratio if read.request else None
        elif frame.id == bits.ACCEL_CMD:
            push = bits.accel_command(frame.data)
            accel, hold = (push.steps * bits.ACCEL_STEP_MPS2 if push.request else None), push.hold
        self._asked = (self.true_ns, steer, accel, hold)
        return True

    def _motion(self, step_ns: int) -> None:
        plant, faults = self.plant, self.faults
        if "speed_jumps" in faults and self._rng.random() < 0.3:
            plant.speed_mps = min(max(plant.speed_mps * (1.0 + 0.8 * faults["speed_jumps"]) + faults["speed_jumps"], 0.0), 38.0)
            self.met["speed_jumps"] += 1
        if "speed_surges" in faults:
            plant.speed_mps = min(max(plant.speed_mps + 40.0 * faults["speed_surges"] * step_ns / 1e9, 0.0), 38.0)
            self.met["speed_surges"] += 1
        if "driver_turns" in faults:
            plant.driver_steer = min(max((plant.driver_steer or 0.0) + 0.03 * faults["driver_turns"], -0.6), 0.6)
            self.met["driver_turns"] += 1

    def _sensed(self) -> dict[str, float]:
        faults, true = self.faults, {**STEADY_SIGNALS, **self.plant.measured()}
        for name, says in DRIVER.items():
            if name in faults:
                true.update(says)
                self.met[name] += 1
        seen = {name: faults[name] for name in SENSORS if name in faults}
        self.met.update(seen.keys())
        if "wheel_lies" in seen:
            true[WHEELS[int(abs(seen["wheel_lies"]) * 97) % 4]] += 15.0 * seen["wheel_lies"]
        if "speed_lies" in seen or "all_speeds_lie" in seen:
            true["speed"] += 15.0 * seen.get("speed_lies", seen.get("all_speeds_lie", 0.0))
        if "all_speeds_lie" in seen:
            true.update({name: true[name] + 15.0 * seen["all_speeds_lie"] for name in WHEELS})
        if "backwards" in seen:
            true.update({name: -abs(true[name]) - 0.5 for name in ("speed", *WHEELS)})
        if "steer_lies" in seen:
            true["steer"] += 0.2 * seen["steer_lies"]
        for name, signals in (("speed_frozen", ("speed", *WHEELS)), ("steer_frozen", ("steer",))):
            if name in seen:
                true.update({signal: self._frozen.setdefault(signal, true[signal]) for signal in signals})
            else:
                for signal in signals:
                    self._frozen.pop(signal, None)
        true["steer"] = min(max(true["steer"], -0.9), 0.9)
        return {name: min(max(value, -30.0), 30.0) if name.startswith("accel") else min(max(value, -60.0), 60.0) for name, value in true.items()}

    def _on_the_way(self, frame: Frame) -> list[Frame]:
        """What arrives of a frame: nothing, it, or something else."""
        faults, rng, id_ = self.faults, self._rng, frame.id
        for name, ids in SILENT.items():
            if name in faults and (id_ in ids or not ids):
                self.met[name] += 1
                return []
        if "frames_lost" in faults and rng.random() < 0.3:
            self.met["frames_lost"] += 1
            return []
        if "bad_checksums" in faults and rng.random() < 0.5:
            self.met["bad_checksums"] += 1
            data = bytearray(frame.data)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            return [frame._replace(data=bytes(data))]
        if "frames_repeated" in faults and rng.random() < 0.5:
            self.met["frames_repeated"] += 1
            return [frame, frame] if rng.random() < 0.5 else [self._last_frames.get(id_, frame)._replace(stamp_ns=frame.stamp_ns)]
        self._last_frames[id_] = frame
        return [frame]
