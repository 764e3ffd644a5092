"""A car's `can.yaml` with its DBC files: every message and signal that it names is looked up once, and a wrong name is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from heron_can.codec import MessageCodec, SignalCodec
from heron_can.mapping import BusConfig, CanMapping, CommandConfig, Interface, ProtectionConfig, SourceConfig
from heron_can.protection import Protection
from heron_core.errors import ConfigError
from heron_core.settings import from_mapping, load_yaml

FILE = "can.yaml"


@dataclass(frozen=True)
class Source:
    """A resolved source of one value; fields as in `SourceConfig`.

    Attributes:
        values: raw → value, empty: value = DBC value x scale + offset.
        require: signals with the DBC value that each must have.
        selector: multiplexer signal of the message, if `signal` is multiplexed.
    """

    bus: str
    message: MessageCodec
    signal: SignalCodec
    scale: float
    offset: float
    timeout_ns: int
    values: Mapping[int, float]
    require: tuple[tuple[SignalCodec, float], ...]
    selector: SignalCodec | None

    def dbc_value(self, value: float) -> float:
        """The DBC value that is read back as `value`.

        Raises:
            ValueError: an enumeration that lacks it.
        """
        if not self.values:
            return (value - self.offset) / self.scale
        for raw, mapped in self.values.items():
            if mapped == value:
                return raw * self.signal.scale + self.signal.offset
        raise ValueError(f"{self.message.name}.{self.signal.name} cannot say {value}; it knows {sorted(self.values.values())}")


@dataclass(frozen=True)
class Command:
    """A resolved command message; fields as in `CommandConfig`."""

    bus: str
    message: MessageCodec
    value: str
    request: str
    standstill: str
    scale: float
    offset: float
    constants: Mapping[str, float]
    protection: Protection | None

    @property
    def raster(self) -> tuple[float, float]:
        """(step, offset) in rad or m/s²: the frame can express offset + n x step."""
        signal = self.message.signals[self.value]
        return abs(signal.scale * self.scale), signal.offset * self.scale + self.offset


@dataclass(frozen=True)
class Car:
    """A car as its buses show it.

    Attributes:
        path: the can.yaml.
        mapping: its content.
        sources: `state.speed`, `imu.rate_z`, `gnss.fix`, … → sources in order of preference.
        protections: (bus, message) → how it is protected.
        commands: `steer`, `accel` → command.
        messages: (bus, message) → codec, of all DBC files.
        files: can.yaml, then the DBC files.
    """

    path: Path
    mapping: CanMapping
    sources: Mapping[str, tuple[Source, ...]]
    protections: Mapping[tuple[str, str], Protection]
    commands: Mapping[str, Command]
    messages: Mapping[tuple[str, str], MessageCodec]
    files: tuple[Path, ...]

    @cached_property
    def wanted(self) -> Mapping[str, tuple[tuple[int, bool], ...]]:
        """Bus → (id, extended) of the messages that sources read, sorted: the kernel's id filter."""
        found = {
            bus: {(source.message.id, source.message.extended) for chain in self.sources.values() for source in chain if source.bus == bus}
            for bus in self.mapping.buses
        }
        return {bus: tuple(sorted(ids)) for bus, ids in found.items()}

    def buses(self, interface: Interface | Literal[""] = "", listen_only: bool = False) -> dict[str, BusConfig]:
        """The buses, all moved to another interface if one is named; see `BusConfig.on`."""
        return {name: config.on(name, interface, listen_only) for name, config in self.mapping.buses.items()}

    def attachments(self) -> dict[str, bytes]:
        """can.yaml and DBC files by bare name, for a recording that explains itself; `load_car` reads the folder they are laid out in."""
        return {(FILE if path == self.path else path.name): path.read_bytes() for path in self.files}


def load_car(path: Path, search: Sequence[Path] = ()) -> Car:
    """The car in `path` (a vehicle folder, or a can.yaml).

    A DBC file is looked for relative to can.yaml, by its bare name beside can.yaml (as a recording's attachments lie), then in the folders
    of `search`.

    Raises:
        ConfigError: an unknown key, an impossible value, a missing or broken DBC file, or a bus, message, signal or label that does not exist;
            the text names the file, the key and the nearest names.
    """
    path = path / FILE if path.is_dir() else path
    mapping = from_mapping(CanMapping, load_yaml(path), str(path))
    files = {bus: [_find(path, name, search, f"buses.{bus}.dbc") for name in config.dbc] for bus, config in mapping.buses.items()}
    loaded = {file: _load(file) for group in files.values() for file in group}
    resolver = _Resolver(path, {bus: [codec for file in group for codec in loaded[file]] for bus, group in files.items()})
    protections = {(entry.bus, entry.message): resolver.protection(entry, f"protection[{i}]") for i, entry in enumerate(mapping.protection)}
    sections = (("state", mapping.state), ("imu", mapping.imu), ("gnss", mapping.gnss))
    sources = {f"{section}.{name}": resolver.chain(source, f"{section}.{name}") for section, entries in sections for name, source in entries.items()}
    commands = {
        name: resolver.command(config, f"commands.{name}", protections)
        for name, config in (("steer", mapping.commands.steer), ("accel", mapping.commands.accel))
        if config is not None
    }
    return Car(path, mapping, sources, protections, commands, resolver.messages, (path, *dict.fromkeys(loaded)))


class _Resolver:
    """Looks up names of one can.yaml."""

    def __init__(self, path: Path, codecs: Mapping[str, Iterable[MessageCodec]]) -> None:
        self._path = path
        self._buses = tuple(codecs)
        self.messages = {(bus, codec.name): codec for bus, group in codecs.items() for codec in group}

    def chain(self, config: SourceConfig, key: str) -> tuple[Source, ...]:
        message = self.message(config.bus, config.message, key)
        signal = self.signal(message, config.signal, f"{key}.signal")
        selector = self.signal(message, signal.selector, key) if signal.selector else None
        source = Source(
            bus=config.bus,
            message=message,
            signal=signal,
            scale=config.scale,
            offset=config.offset,
            timeout_ns=config.timeout_ms * 1_000_000,
            values={self._raw_of(signal, label, f"{key}.values"): float(value) for label, value in config.values.items()},
            require=tuple((self.signal(message, name, f"{key}.require"), float(value)) for name, value in config.require.items()),
            selector=selector,
        )
        return (source, *(self.chain(config.fallback, f"{key}.fallback") if config.fallback else ()))

    def protection(self, config: ProtectionConfig, key: str) -> Protection:
        message = self.message(config.bus, config.message, key)
        checksum = self.signal(message, config.checksum, f"{key}.checksum")
        byte = message.byte_of(config.checksum)
        if byte is None:
            raise self._error(f"{key}.checksum", f"{checksum.name} of {message.name} is not one whole byte")
        counter = self.signal(message, config.counter, f"{key}.counter") if config.counter else None
        nibble = self.signal(message, config.nibble, f"{key}.nibble") if config.nibble else None
        for part in (counter if config.kind == "e2e_p11" else None, nibble):
            if part is not None and part.length != 4:
                raise self._error(key, f"{part.name} of {message.name} has {part.length} bits, profile 11 needs 4")
        return Protection(config, message, byte, counter, nibble)

    def command(self, config: CommandConfig, key: str, protections: Mapping[tuple[str, str], Protection]) -> Command:
        message = self.message(config.bus, config.message, key)
        named = {"value": config.value, "request": config.request, **({"standstill": config.standstill} if config.standstill else {})}
        for field, name in (*named.items(), *((f"constants.{name}", name) for name in config.constants)):
            self.signal(message, name, f"{key}.{field}")
        return Command(
            config.bus,
            message,
            config.value,
            config.request,
            config.standstill,
            config.scale,
            config.offset,
            dict(config.constants),
            protections.get((config.bus, config.message)),
        )

    def message(self, bus: str, name: str, key: str) -> MessageCodec:
        if bus not in self._buses:
            raise self._error(f"{key}.bus", f"no bus {bus!r} in `buses`{_nearest(bus, self._buses)}")
        known = [message for owner, message in self.messages if owner == bus]
        if name not in known:
            raise self._error(f"{key}.message", f"no message {name!r} in the DBC files of bus {bus}{_nearest(name, known)}")
        return self.messages[bus, name]

    def signal(self, message: MessageCodec, name: str, key: str) -> SignalCodec:
        if name not in message.signals:
            raise self._error(key, f"message {message.name} has no signal {name!r}{_nearest(name, message.signals)}")
        return message.signals[name]

    def _raw_of(self, signal: SignalCodec, label: object, key: str) -> int:
        if isinstance(label, int) and not isinstance(label, bool):
            return label
        for raw, name in signal.choices.items():
            if name == label:
                return raw
        hint = "; write it in quotes, yaml reads it as true or false" if isinstance(label, bool) else _nearest(str(label), signal.choices.values())
        raise self._error(key, f"{signal.name} has no label {label!r}{hint}")

    def _error(self, key: str, text: str) -> ConfigError:
        return ConfigError(f"{self._path}: {key}: {text}")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name.upper(), [other.upper() for other in names], n=3, cutoff=0.5)
    by_upper = {other.upper(): other for other in names}
    if near:
        return f"; nearest: {', '.join(by_upper[other] for other in near)}"
    return f"; known: {', '.join(names) or 'none'}"


def _find(path: Path, name: str, search: Sequence[Path], key: str) -> Path:
    bare = Path(name).name
    candidates = (path.parent / name, path.parent / bare, *(folder / bare for folder in search))
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    tried = ", ".join(dict.fromkeys(str(candidate) for candidate in candidates))
    raise ConfigError(f"{path}: {key}: no file {name!r} (tried {tried}); put the DBC file there or name its folder in dbc_search")


def _load(path: Path) -> tuple[MessageCodec, ...]:
    import cantools.database  # heavy

    try:
        database = cantools.database.load_file(path, database_format="dbc", prune_choices=False)
    except Exception as error:  # whatever the parser meets in a broken file
        raise ConfigError(f"{path}: not a valid DBC file: {type(error).__name__}: {error}") from error
    return tuple(MessageCodec(message) for message in database.messages)
