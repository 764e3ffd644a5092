"""What `can.yaml` may say: buses, where each signal comes from, how messages are protected, how commands are sent.

Values are judged here, names against the DBC files in `car.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from heron_core.vehicle import SIGNALS

Interface = Literal["socketcan", "virtual", "unix", "bag", "log", "sim"]
IMU_FIELDS = ("rate_x", "rate_y", "rate_z", "accel_x", "accel_y", "accel_z")
GNSS_FIELDS = ("latitude_deg", "longitude_deg", "altitude_m", "horizontal_std_m", "fix")


@dataclass(frozen=True)
class BusConfig:
    """One CAN bus.

    Attributes:
        interface: socketcan on the car; virtual (this process), unix (processes of this machine); bag, log: a recording feeds it, commands end
            in the tap; sim: the simulated car of this process.
        channel: of the interface, e.g. can0.
        bitrate: bit/s; for the record and for error texts, socketcan is configured by `ip link`.
        fd: frames of up to 64 bytes may be sent.
        listen_only: nothing is ever written; commands end in the tap.
        dbc: files beside can.yaml that describe the messages.
        log_channel: channel of a log file that is this bus, as text; empty: its only channel.
        silence_ms: without any frame for so long the bus counts as silent.
    """

    interface: Interface
    channel: str = ""
    bitrate: int = 500_000
    fd: bool = False
    listen_only: bool = False
    dbc: tuple[str, ...] = ()
    log_channel: str = ""
    silence_ms: int = 500

    def __post_init__(self) -> None:
        if not 10_000 <= self.bitrate <= 1_000_000:
            raise ValueError(f"bitrate = {self.bitrate}, allowed 10000 .. 1000000")
        if not 10 <= self.silence_ms <= 60_000:
            raise ValueError(f"silence_ms = {self.silence_ms}, allowed 10 .. 60000")
        if self.interface in ("socketcan", "virtual", "unix") and not self.channel:
            raise ValueError(f"channel is missing, interface {self.interface} needs one")

    def on(self, name: str, interface: Interface | Literal[""], listen_only: bool) -> BusConfig:
        """This bus, called `name`, on another interface (empty: its own) and never written to if `listen_only`."""
        changed = replace(self, listen_only=self.listen_only or listen_only)
        return changed if not interface else replace(changed, interface=interface, channel=self.channel or name)


@dataclass(frozen=True)
class SourceConfig:
    """Where a value comes from: DBC value x scale + offset, in the unit that its consumer states.

    Attributes:
        bus, message, signal: names in `buses` and its DBC files.
        scale, offset: DBC unit → SI.
        timeout_ms: older than this the value is not valid.
        values: for enumerations: DBC label or number → value; a number that is not listed is ignored and counted.
        require: other signals of the same frame that must have these values (validity flags), else the frame is ignored for this source and counted.
        fallback: taken while this source is not valid.
    """

    bus: str
    message: str
    signal: str
    scale: float = 1.0
    offset: float = 0.0
    timeout_ms: int = 100
    values: Mapping[Any, float] = field(default_factory=dict)
    require: Mapping[str, float] = field(default_factory=dict)
    fallback: SourceConfig | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale) or self.scale == 0.0 or not math.isfinite(self.offset):
            raise ValueError(f"scale = {self.scale}, offset = {self.offset}: both must be finite and scale not 0")
        if not 1 <= self.timeout_ms <= 60_000:
            raise ValueError(f"timeout_ms = {self.timeout_ms}, allowed 1 .. 60000")


@dataclass(frozen=True)
class ProtectionConfig:
    """Counter and checksum of one message.

    Attributes:
        kind: e2e_p11 (AUTOSAR E2E profile 11) or toyota.
        checksum: signal of 8 bits on a byte boundary.
        counter: signal of the counter; empty: the message has none. Profile 11 counts 0..14, toyota through all values of the signal.
        data_id: profile 11 only: 16 bits (`both`) or 12 bits (`nibble`).
        data_id_mode: profile 11 only, see `checksum.DataIdMode`.
        nibble: profile 11, mode nibble only: signal of 4 bits that carries the id's upper bits.
    """

    bus: str
    message: str
    kind: Literal["e2e_p11", "toyota"]
    checksum: str
    counter: str = ""
    data_id: int = 0
    data_id_mode: Literal["both", "nibble"] = "both"
    nibble: str = ""

    def __post_init__(self) -> None:
        largest = 0xFFFF if self.data_id_mode == "both" else 0xFFF
        if not 0 <= self.data_id <= largest:
            raise ValueError(f"data_id = {self.data_id:#x} of {self.message}, allowed 0 .. {largest:#x} in mode {self.data_id_mode}")
        if self.kind == "e2e_p11" and not self.counter:
            raise ValueError(f"counter is missing: {self.message} is protected by e2e_p11")
        if bool(self.nibble) != (self.kind == "e2e_p11" and self.data_id_mode == "nibble"):
            raise ValueError(f"nibble = {self.nibble!r} of {self.message}: needed with e2e_p11 in data_id_mode nibble, and only there")


@dataclass(frozen=True)
class CommandConfig:
    """One command message. DBC value of `value` x scale + offset = road-wheel angle (rad, left positive) or acceleration (m/s²).

    Attributes:
        value: signal of the requested angle or acceleration.
        request: signal of one bit: 1 asks the car to follow.
        standstill: signal of one bit: 1 holds the standing car; empty: none.
        constants: further signals and their DBC values; every signal not named is 0.
    """

    bus: str
    message: str
    value: str
    request: str
    standstill: str = ""
    scale: float = 1.0
    offset: float = 0.0
    constants: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale) or self.scale == 0.0 or not math.isfinite(self.offset):
            raise ValueError(f"scale = {self.scale}, offset = {self.offset} of {self.message}: both must be finite and scale not 0")


@dataclass(frozen=True)
class CommandsConfig:
    """The two commands; a car may lack either."""

    steer: CommandConfig | None = None
    accel: CommandConfig | None = None


@dataclass(frozen=True)
class OdometryConfig:
    """What `/odom` integrates.

    Attributes:
        speed_from: `wheels`: mean of the rear wheels (base_link is under the rear axle), or the speed signal where they are not valid;
            `speed`: the signal only.
        yaw_rate_from_steer: where no yaw rate is valid, take speed x tan(steer) / wheelbase; else odometry is not valid then.
        max_gap_ms: over a longer time without valid sources the motion is unknown: the pose is held and the tick after it is not valid.
    """

    speed_from: Literal["speed", "wheels"] = "speed"
    yaw_rate_from_steer: bool = False
    max_gap_ms: int = 300

    def __post_init__(self) -> None:
        if not 10 <= self.max_gap_ms <= 5000:
            raise ValueError(f"max_gap_ms = {self.max_gap_ms}, allowed 10 .. 5000")


@dataclass(frozen=True)
class CanMapping:
    """A whole `can.yaml`."""

    buses: Mapping[str, BusConfig]
    state: Mapping[str, SourceConfig] = field(default_factory=dict)
    imu: Mapping[str, SourceConfig] = field(default_factory=dict)
    gnss: Mapping[str, SourceConfig] = field(default_factory=dict)
    protection: tuple[ProtectionConfig, ...] = ()
    commands: CommandsConfig = field(default_factory=CommandsConfig)
    odometry: OdometryConfig = field(default_factory=OdometryConfig)

    def __post_init__(self) -> None:
        for section, given, known in (
            ("state", self.state, tuple(name for name in SIGNALS if name != "driving_mode")),  # that one control says, no bus does
            ("imu", self.imu, IMU_FIELDS),
            ("gnss", self.gnss, GNSS_FIELDS),
        ):
            unknown = sorted(set(given) - set(known))
            if unknown:
                raise ValueError(f"{section}: unknown signal {unknown[0]!r} (known: {', '.join(known)})")
        if self.gnss and not {"latitude_deg", "longitude_deg"} <= set(self.gnss):
            raise ValueError("gnss: latitude_deg and longitude_deg are both needed")
        messages = [(entry.bus, entry.message) for entry in self.protection]
        twice = sorted({entry for entry in messages if messages.count(entry) > 1})
        if twice:
            raise ValueError(f"protection: {twice[0][1]} on {twice[0][0]} stands twice")
