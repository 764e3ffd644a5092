"""Frames on the socket between a process and its gateway: length, then bytes. A frame of no bytes says that the last one is gone."""

from __future__ import annotations

import socket

from heron_remote.envelope import MAX_BYTES

_LENGTH_BYTES = 4
DONE = b""
NOTHING = b"\0"
"""In place of what cannot be an envelope: too short for any, so its owner counts it."""


class PipeError(ConnectionError):
    """The other end is gone, or speaks another language."""


def write_frame(pipe: socket.socket, data: bytes | memoryview) -> None:
    """Sends one frame; blocks until the socket has taken it.

    Raises:
        OSError: the other end is gone.
    """
    pipe.sendall(len(data).to_bytes(_LENGTH_BYTES, "little"))
    if len(data):
        pipe.sendall(data)


def read_frame(pipe: socket.socket) -> bytearray:
    """The next frame.

    Raises:
        PipeError: the end of the stream, or a length that no envelope has.
        OSError: the socket failed.
    """
    length = int.from_bytes(_exactly(pipe, _LENGTH_BYTES), "little")
    if length > MAX_BYTES:
        raise PipeError(f"a frame of {length} bytes, at most {MAX_BYTES}")
    return _exactly(pipe, length)


def _exactly(pipe: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view, done = memoryview(data), 0
    while done < length:
        got = pipe.recv_into(view[done:])
        if not got:
            raise PipeError("the other end is gone")
        done += got
    return data
