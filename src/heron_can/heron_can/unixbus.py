"""A CAN bus between processes of one machine, over Unix sockets: nothing leaves the host, no process is special.

Every participant listens on a socket of its own in the bus's folder and, on joining, connects to all who are there; so any two share one
connection and a frame makes one hop. A participant that dies closes its connections; what it leaves in the folder is cleared by the next who
joins. A participant that does not read misses frames once its buffer is full, like a CAN controller that overruns; `overruns` counts what
others missed of us.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import can

from heron_can.frame import EXTENDED_KEY

_HEAD = struct.Struct("<dIBB")
_CHANNEL = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_EXTENDED, _REMOTE, _ERROR, _FD, _SWITCH = 1, 2, 4, 8, 16
_BUFFER_BYTES = 1 << 20
_LARGEST = _HEAD.size + 64


def folder_of(channel: str) -> Path:
    """Where the participants of a bus meet: `$XDG_RUNTIME_DIR/heron_can/CHANNEL`, or below /tmp with the user's number.

    Raises:
        ValueError: the channel is not a plain name.
    """
    if not _CHANNEL.fullmatch(channel) or channel.startswith("."):
        raise ValueError(f"channel {channel!r} must be 1 to 40 letters, digits, '_', '-' or '.'")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) / "heron_can" if runtime and Path(runtime).is_dir() else Path(f"/tmp/heron_can_{os.getuid()}")
    return base / channel


class UnixBus(can.BusABC):
    """python-can bus; `channel` is a plain name. Also `can.Bus(interface="heron_unix", channel=…)` where the package is installed."""

    def __init__(self, channel: str, can_filters: can.typechecking.CanFilters | None = None, **kwargs: Any) -> None:
        """Joins the bus.

        Raises:
            ValueError: the channel is not a plain name.
            can.CanInitializationError: the folder cannot be used.
        """
        self.channel_info = f"heron_unix {channel}"
        self.overruns = 0
        self._wanted: frozenset[int] | None = None
        self._ready: deque[can.Message] = deque()
        self._links: list[socket.socket] = []
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._closed = False
        folder = folder_of(channel)
        try:
            self._join(folder)
        except OSError as error:
            self._selector.close()
            raise can.CanInitializationError(f"{folder}: {error}") from error
        super().__init__(channel=channel, can_filters=can_filters, **kwargs)

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """To every participant whose buffer has room; never waits.

        Raises:
            can.CanOperationError: the bus is shut down.
        """
        if self._closed:
            raise can.CanOperationError("bus is shut down")
        packet = _pack(msg)
        self._accept()
        for link in tuple(self._links):
            try:
                link.send(packet, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                self.overruns += 1
            except OSError:  # it left, or died: what it sent before is taken, then the link is dropped
                self._read(link)

    def shutdown(self) -> None:
        """Leaves the bus."""
        if self._closed:
            return
        self._closed = True
        super().shutdown()
        with self._lock:
            self._path.unlink(missing_ok=True)
            for link in (*self._links, self._listener):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(link)
                link.close()
            self._links.clear()
            self._selector.close()

    def fileno(self) -> int:
        """python-can asks for one descriptor; we have several."""
        return -1

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            if self._closed:
                raise can.CanOperationError("bus is shut down")
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                events = self._selector.select(left)
            except (OSError, ValueError, KeyError) as error:
                raise can.CanOperationError(f"bus is shut down: {error}") from error
            for key, _ in events:
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._read(key.fileobj)  # type: ignore[arg-type]
            if deadline is not None and not self._ready and time.monotonic() >= deadline:
                return None, True
        return self._ready.popleft(), True

    def _apply_filters(self, filters: can.typechecking.CanFilters | None) -> None:
        self._wanted = None
        if filters is not None:
            for entry in filters:
                if entry["can_mask"] not in (0x7FF, 0x1FFFFFFF):
                    raise ValueError(f"filter mask {entry['can_mask']:#x} on a Unix bus, allowed: exact ids only")
            self._wanted = frozenset(entry["can_id"] | (EXTENDED_KEY if entry.get("extended") else 0) for entry in filters)

    def _join(self, folder: Path) -> None:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f"{os.getpid()}-{id(self):x}.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.setblocking(False)
        with _locked(folder / "lock"):
            others = sorted(folder.glob("*.sock"))
            self._listener.bind(str(self._path))
            self._listener.listen(64)
            for other in others:
                link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                link.setblocking(False)
                try:
                    link.connect(str(other))
                    self._add(link)
                except BlockingIOError:  # it hangs, with a long queue of newcomers
                    link.close()
                except OSError:  # its owner is dead
                    link.close()
                    other.unlink(missing_ok=True)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:  # nobody waits, or closed
                return
            self._add(link)

    def _add(self, link: socket.socket) -> None:
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with self._lock:
            if self._closed:
                link.close()
                return
            self._links.append(link)
            self._selector.register(link, selectors.EVENT_READ)

    def _drop(self, link: socket.socket) -> None:
        with self._lock:
            if link in self._links:
                self._links.remove(link)
                self._selector.unregister(link)
                link.close()

    def _read(self, link: socket.socket) -> None:
        with self._reading:  # whoever sends reads too, where the other end is closed
            while True:
                try:
                    packet = link.recv(_LARGEST)
                except BlockingIOError:
                    return
                except ConnectionResetError:  # said once, before what it sent: it left with frames of ours unread
                    continue
                except OSError:
                    packet = b""
                if not packet:
                    self._drop(link)
                    return
                key = _HEAD.unpack_from(packet)[1]
                if self._wanted is None or key in self._wanted or packet[_HEAD.size - 1] & _ERROR:
                    self._ready.append(_unpack(packet))


def _pack(msg: can.Message) -> bytes:
    flags = (
        (_EXTENDED if msg.is_extended_id else 0)
        | (_REMOTE if msg.is_remote_frame else 0)
        | (_ERROR if msg.is_error_frame else 0)
        | (_FD if msg.is_fd else 0)
        | (_SWITCH if msg.bitrate_switch else 0)
    )
    key = msg.arbitration_id | (EXTENDED_KEY if msg.is_extended_id else 0)
    return _HEAD.pack(time.time(), key, msg.dlc, flags) + bytes(msg.data)


def _unpack(packet: bytes) -> can.Message:
    stamp, key, dlc, flags = _HEAD.unpack_from(packet)
    return can.Message(
        timestamp=stamp,
        arbitration_id=key & ~EXTENDED_KEY,
        is_extended_id=bool(flags & _EXTENDED),
        is_remote_frame=bool(flags & _REMOTE),
        is_error_frame=bool(flags & _ERROR),
        is_fd=bool(flags & _FD),
        bitrate_switch=bool(flags & _SWITCH),
        dlc=dlc,
        data=packet[_HEAD.size :],
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
