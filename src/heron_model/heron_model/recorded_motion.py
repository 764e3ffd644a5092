"""What a recorded car did: its states, and where it was, from the topics that it recorded or else from its bus."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from heron_bag.attachments import VEHICLE
from heron_bag.native import can_batches, odometries, vehicle_states
from heron_bag.reader import Bag
from heron_can.car import Car, load_car
from heron_can.frame import from_batch
from heron_can.odometry import OdometryIntegrator
from heron_can.state import VehicleStateAssembler
from heron_core.errors import InputError
from heron_core.trajectory import TIMES_S
from heron_core.vehicle import Odometry, VehicleState
from heron_core.vehicle_model import load_vehicle_model

TICK_NS = 10_000_000
MAX_GAP_NS = 100_000_000  # between two poses; a longer one is not bridged
STATE_TOPIC, ODOMETRY_TOPIC, CAN_TOPIC = "/vehicle/state", "/odom", "/can/tap"


@dataclass(frozen=True)
class RecordedMotion:
    """States and poses of a whole recording.

    Attributes:
        states: in order of time.
        stamp_ns: (n,) of the poses, rising.
        pose: (n, 4) x, y, yaw (not wrapped), speed in `odom`.
        lost: (n,) how many poses up to and with this one were not valid.
    """

    states: tuple[VehicleState, ...]
    stamp_ns: NDArray[np.int64]
    pose: NDArray[np.float64]
    lost: NDArray[np.int64]

    @staticmethod
    def of(bag: Bag, vehicle: Path | None = None) -> RecordedMotion:
        """Reads /vehicle/state and /odom; what is missing is made of /can/tap with the recording's own (or the given) car.

        Raises:
            InputError: the recording tells nothing of the car's motion.
        """
        states, odometry = tuple(s for _, s in vehicle_states(bag, STATE_TOPIC)), tuple(o for _, o in odometries(bag, ODOMETRY_TOPIC))
        if not states or not odometry:
            with _car_folder(bag, vehicle) as folder:
                states, odometry = _from_bus(bag, Path(folder), states)
        first_ns = -1
        rising = [first_ns := each.stamp_ns for each in odometry if each.stamp_ns > first_ns]
        if len(rising) < len(odometry):
            raise InputError(f"{bag.path}: the stamps of its odometry go back in time; cut the recording where its clock was set")
        if not odometry:
            raise InputError(f"{bag.path}: its bus {CAN_TOPIC} is empty, so nothing tells where the car went")
        pose = np.array([(each.x_m, each.y_m, each.yaw_rad, each.speed_mps) for each in odometry])
        pose[:, 2] = np.unwrap(pose[:, 2])
        return RecordedMotion(states, np.array(rising, np.int64), pose, np.cumsum([not each.valid for each in odometry]))

    def future(self, stamp_ns: int) -> NDArray[np.float32] | str:
        """(40, 4) x, y, yaw, speed in base_link at `stamp_ns`, or why it is not known."""
        at_ns = stamp_ns + np.concatenate([[0.0], TIMES_S * 1e9]).astype(np.int64)
        if at_ns[0] < self.stamp_ns[0]:
            return "before_odometry"
        if at_ns[-1] > self.stamp_ns[-1]:
            return "future_not_recorded"
        first, last = int(np.searchsorted(self.stamp_ns, at_ns[0], "right")) - 1, int(np.searchsorted(self.stamp_ns, at_ns[-1]))
        if self.lost[last] > (self.lost[first - 1] if first else 0):
            return "odometry_not_valid"
        if np.diff(self.stamp_ns[first : last + 1]).max() > MAX_GAP_NS:
            return "odometry_gap"
        # Relative times: float64 does not hold nanoseconds since 1970.
        near = slice(first, last + 1)
        pose = np.stack([np.interp(at_ns - at_ns[0], self.stamp_ns[near] - at_ns[0], column) for column in self.pose[near].T], axis=1)
        x, y, yaw, _ = pose[0]
        c, s = np.cos(yaw), np.sin(yaw)
        moved = (pose[1:, :2] - (x, y)) @ np.array([[c, -s], [s, c]])
        return np.column_stack([moved, pose[1:, 2] - yaw, pose[1:, 3]]).astype(np.float32)


def _car_folder(bag: Bag, vehicle: Path | None) -> tempfile.TemporaryDirectory[str]:
    """The car's files, laid out."""
    if CAN_TOPIC not in bag.topics:
        raise InputError(f"{bag.path}: has neither {STATE_TOPIC} with {ODOMETRY_TOPIC} nor {CAN_TOPIC}, so nothing tells where the car went")
    own = {name.removeprefix(f"{VEHICLE}/"): name for name in bag.attachments if name.startswith(f"{VEHICLE}/")}
    if vehicle is None and "can.yaml" not in own:
        raise InputError(f"{bag.path}: carries no {VEHICLE}/can.yaml that explains its bus; give the car's folder with --vehicle")
    folder = tempfile.TemporaryDirectory(prefix="heron_car_")
    files = {path.name: path.read_bytes() for path in vehicle.iterdir() if path.is_file()} if vehicle is not None else {}
    files = files or {name: bag.attachments[full] for name, full in own.items()}
    for name, data in files.items():
        (Path(folder.name) / Path(name).name).write_bytes(data)
    return folder


def _from_bus(bag: Bag, folder: Path, states: tuple[VehicleState, ...]) -> tuple[tuple[VehicleState, ...], tuple[Odometry, ...]]:
    """As the car's own CAN component makes them, at 100 Hz."""
    car, model = load_car(folder), folder / "vehicle.yaml"
    wheelbase_m = load_vehicle_model(model).wheelbase_m if model.is_file() else None
    states = states or tuple(_states(bag, car))
    integrator = OdometryIntegrator(car.mapping.odometry, wheelbase_m)
    return states, tuple(integrator.update(state) for state in states)


def _states(bag: Bag, car: Car) -> Iterator[VehicleState]:
    assembler, tick_ns = VehicleStateAssembler(car), None
    for log_ns, batch in can_batches(bag, CAN_TOPIC):
        tick_ns = log_ns if tick_ns is None else tick_ns
        while tick_ns < log_ns:
            yield assembler.state(tick_ns)
            tick_ns += TICK_NS
        assembler.ingest(batch.channel, from_batch(batch))
    if tick_ns is not None:
        yield assembler.state(tick_ns)
