"""The buses of the generated recording: every message of the car's mapping at its own rate, with counters and checksums, as the car would send it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from heron_bringup.ego_motion import EgoMotion, position_deg, signals
from heron_can.car import Car, Source
from heron_can.codec import MessageCodec
from heron_can.frame import Frame, to_batch
from heron_core.canbus import FLAG_EXTENDED, CanBatch
from heron_core.vehicle_model import VehicleModel

BATCH_NS = 10_000_000
JITTER_NS = 120_000
DEFAULT_PERIOD_MS = 100


def can_batches(
    car: Car, model: VehicleModel, motion: EgoMotion, start_ns: int, zero_ns: int, end_ns: int, seed: int
) -> Iterator[tuple[int, CanBatch]]:
    """(log time, batch) of 10 ms of each bus, in order of time.

    Args:
        car: mapping and DBC.
        model: geometry of the car.
        motion: how it drives.
        start_ns: first frames.
        zero_ns: recorded time of `motion`'s t = 0.
        end_ns: no frames at or after this.
        seed: of the jitter.
    """
    frames: dict[str, list[Frame]] = defaultdict(list)
    random = np.random.default_rng([seed, 11])
    for index, ((bus, name), sources) in enumerate(_sent(car).items()):
        message = car.messages[bus, name]
        period_ns = (message.period_ms or DEFAULT_PERIOD_MS) * 1_000_000
        protection = car.protections.get((bus, name))
        phase_ns = (index * 370_000) % period_ns
        for count, nominal_ns in enumerate(range(start_ns + phase_ns, end_ns, period_ns)):
            stamp_ns = nominal_ns + int(random.integers(JITTER_NS))
            values = _values(motion, model, (stamp_ns - zero_ns) / 1e9)
            data = message.encode({source.signal.name: _dbc_value(source, values[key]) for key, source in sources.items()})
            frames[bus].append(Frame(stamp_ns, message.id, protection.seal(data, count) if protection else bytes(data), _flags(message)))
    batches: list[tuple[int, CanBatch]] = []
    for bus, sent in frames.items():
        windows: dict[int, list[Frame]] = defaultdict(list)
        for frame in sent:
            windows[(frame.stamp_ns - start_ns) // BATCH_NS].append(frame)
        batches += [(start_ns + (window + 1) * BATCH_NS, to_batch(bus, group)) for window, group in windows.items()]
    yield from sorted(batches, key=lambda entry: entry[0])


def _sent(car: Car) -> dict[tuple[str, str], dict[str, Source]]:
    """(bus, message) → `state.speed` etc. → source, for the preferred source of each value."""
    sent: dict[tuple[str, str], dict[str, Source]] = defaultdict(dict)
    for key, chain in car.sources.items():
        sent[chain[0].bus, chain[0].message.name][key] = chain[0]
    return dict(sorted(sent.items()))


def _values(motion: EgoMotion, model: VehicleModel, t_s: float) -> dict[str, float]:
    now = motion.at(t_s)
    state = signals(now, model)
    latitude, longitude = position_deg(now.pose)
    imu = {"rate_x": 0.0, "rate_y": 0.0, "rate_z": now.yaw_rate_rps, "accel_x": state["accel_x"], "accel_y": state["accel_y"], "accel_z": 9.81}
    gnss = {"latitude_deg": latitude, "longitude_deg": longitude, "altitude_m": 40.0, "horizontal_std_m": 0.02, "fix": 4.0}
    values = {f"state.{name}": value for name, value in state.items()}
    values |= {f"imu.{name}": value for name, value in imu.items()}
    return values | {f"gnss.{name}": value for name, value in gnss.items()}


def _dbc_value(source: Source, value: float) -> float:
    """The DBC value that the mapping reads back as `value`."""
    if source.values:
        raw = next((raw for raw, meaning in source.values.items() if meaning == value), None)
        if raw is None:
            raise ValueError(f"{source.message.name}.{source.signal.name} has no raw value that means {value}")
        return raw * source.signal.scale + source.signal.offset
    return (value - source.offset) / source.scale


def _flags(message: MessageCodec) -> int:
    return FLAG_EXTENDED if message.extended else 0
