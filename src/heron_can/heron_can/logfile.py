"""CAN logs that python-can reads (MF4, candump, ASC, BLF, …) as frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from heron_can.buses import to_frame
from heron_can.frame import Frame
from heron_core.errors import InputError


def log_frames(path: Path, channels: Mapping[str, str]) -> Iterator[tuple[int, tuple[str, Frame]]]:
    """(stamp_ns, (bus, frame)) of every frame, in the order of the file.

    Args:
        path: the log.
        channels: the log's channel, as text (`0`, `can0`), → bus name; `*` takes every channel that is not named. Others are passed over.

    Raises:
        InputError: no such file, an unknown format, or a broken file (after the frames that could be read).
    """
    import can

    if not path.is_file():
        raise InputError(f"{path}: no such log file")
    if path.suffix.lower() == ".mf4":
        from heron_bag.importing.can_log import allow_mf4

        allow_mf4()
    rest = channels.get("*")
    try:
        with can.LogReader(path) as reader:
            for message in reader:
                bus = channels.get(str(message.channel), rest)
                if bus is not None:
                    stamp_ns = round(message.timestamp * 1e9)
                    yield stamp_ns, (bus, to_frame(message, stamp_ns))
    except Exception as error:  # whatever the parsers meet in a broken file
        raise InputError(f"{path}: cannot be read as a CAN log: {type(error).__name__}: {error}") from error
