"""Opens python-can buses as `can.yaml` names them, and turns python-can messages into frames and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from heron_can.frame import Frame
from heron_can.mapping import BusConfig
from heron_core.canbus import FLAG_BITRATE_SWITCH, FLAG_ERROR, FLAG_EXTENDED, FLAG_FD, FLAG_REMOTE, FLAG_TX
from heron_core.errors import InputError

if TYPE_CHECKING:
    import can

ERROR_BUS_OFF = 0x40  # CAN_ERR_BUSOFF in the id of a SocketCAN error frame (linux/can/error.h)
_STANDARD_MASK, _EXTENDED_MASK = 0x7FF, 0x1FFFFFFF


def open_bus(name: str, config: BusConfig) -> can.BusABC:
    """The open bus.

    Raises:
        InputError: it cannot be opened; the text says how to cure it.
    """
    import can

    try:
        if config.interface == "unix":
            from heron_can.unixbus import UnixBus

            return UnixBus(config.channel)
        if config.interface == "virtual":
            return can.Bus(interface="virtual", channel=config.channel)
        return can.Bus(interface="socketcan", channel=config.channel, fd=config.fd, receive_own_messages=False)
    except (can.CanError, OSError, ValueError) as error:
        cure = (
            f"; bring it up with: sudo ip link set {config.channel} up type can bitrate {config.bitrate} restart-ms 100"
            if config.interface == "socketcan"
            else ""
        )
        raise InputError(f"bus {name}: cannot open {config.interface} channel {config.channel!r}: {error}{cure}") from error


def filters(ids: Iterable[tuple[int, bool]]) -> list[can.typechecking.CanFilter]:
    """Exact-match filters for python-can's `set_filters` from (id, extended)."""
    return [{"can_id": id_, "can_mask": _EXTENDED_MASK if extended else _STANDARD_MASK, "extended": extended} for id_, extended in ids]


def to_frame(message: can.Message, stamp_ns: int) -> Frame:
    """A python-can message as a frame."""
    flags = FLAG_EXTENDED if message.is_extended_id else 0
    if message.is_error_frame or message.is_remote_frame or message.is_fd or not message.is_rx:
        flags |= (
            (FLAG_ERROR if message.is_error_frame else 0)
            | (FLAG_REMOTE if message.is_remote_frame else 0)
            | (FLAG_FD if message.is_fd else 0)
            | (FLAG_BITRATE_SWITCH if message.bitrate_switch else 0)
            | (0 if message.is_rx else FLAG_TX)
        )
    return Frame(stamp_ns, message.arbitration_id, bytes(message.data), flags)


def to_message(frame: Frame) -> can.Message:
    """A frame as a python-can message, to be sent."""
    import can

    return can.Message(
        timestamp=frame.stamp_ns / 1e9,
        arbitration_id=frame.id,
        data=frame.data,
        is_extended_id=bool(frame.flags & FLAG_EXTENDED),
        is_fd=bool(frame.flags & FLAG_FD),
        bitrate_switch=bool(frame.flags & FLAG_BITRATE_SWITCH),
        is_remote_frame=bool(frame.flags & FLAG_REMOTE),
        is_error_frame=bool(frame.flags & FLAG_ERROR),
        is_rx=not frame.flags & FLAG_TX,
    )
