"""The gateway's process: sealed envelopes from the pipe to DDS and back. It has no key and reads no content.

The middleware parses what comes from the network before anybody can ask who sent it. It does so here, apart from cameras, policy and control: what it
cannot bear ends this process, which is started anew, and the vehicle sees a cut of the link.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions

from heron_remote.convert import from_raw, to_raw
from heron_remote.envelope import NEWEST_ONLY, kind_of
from heron_remote.gateway.pipe import DONE, NOTHING, PipeError, read_frame, write_frame
from heron_runtime.topics import REMOTE_TOPICS, SEALED, qos_profile, ros_class

SIDES = {"vehicle": (("/remote/request", "/remote/to_server"), ("/remote/answer", "/remote/to_vehicle"))}
SIDES["server"] = SIDES["vehicle"][::-1]
"""Side → topics that it sends, bulk first, and topics that it hears."""
_NO_SERVICE = Parameter("start_type_description_service", value=False)
"""What is not there cannot be asked: else every node of the link's domain could."""
_PR_SET_PDEATHSIG = 1


class Gateway:
    """One node: what is read from the pipe is published, what is heard is written to the pipe."""

    def __init__(self, side: str, pipe: socket.socket) -> None:
        self._pipe, self._writing = pipe, threading.Lock()
        self.node = rclpy.create_node(f"heron_gateway_{side}", enable_rosout=False, start_parameter_services=False, parameter_overrides=[_NO_SERVICE])
        sends, hears = SIDES[side]
        sealed = ros_class(SEALED)
        self._bulk, self._signal = (self.node.create_publisher(sealed, topic, qos_profile(REMOTE_TOPICS[topic])) for topic in sends)
        for topic in hears:
            self.node.create_subscription(sealed, topic, self._heard, qos_profile(REMOTE_TOPICS[topic]), raw=True)

    def run(self) -> None:
        """Publishes what comes through the pipe, until its other end is gone."""
        while True:
            try:
                envelope = read_frame(self._pipe)
                (self._bulk if kind_of(envelope) in NEWEST_ONLY else self._signal).publish(to_raw(envelope))
                self._write(DONE)
            except (PipeError, OSError):
                return

    def _heard(self, raw: bytes) -> None:
        envelope: bytes | memoryview = NOTHING
        with suppress(ValueError):
            envelope = from_raw(raw)
        with suppress(OSError):  # the owner is gone; `run` ends
            self._write(envelope)

    def _write(self, data: bytes | memoryview) -> None:
        with self._writing:
            write_frame(self._pipe, data)


def main() -> None:
    """Runs one gateway on the socket that was inherited; ends with its owner."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=sorted(SIDES))
    parser.add_argument("descriptor", type=int, help="of the inherited socket")
    given = parser.parse_args()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # an owner that was killed leaves nothing behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the owner ends us when it has said its last
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    gateway = Gateway(given.side, socket.socket(fileno=given.descriptor))
    executor = SingleThreadedExecutor()
    executor.add_node(gateway.node)
    threading.Thread(target=_ended, args=(executor.spin,), name="hearing", daemon=True).start()
    _ended(gateway.run)


def _ended(run: Callable[[], None]) -> None:
    """Runs it, and ends the process with it: threads of the middleware may wait for a network that is not there."""
    code = 1
    try:
        run()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
