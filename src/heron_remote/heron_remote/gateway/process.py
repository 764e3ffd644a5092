"""A process and its gateway: starts it, sends through it, starts it anew when it dies."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from heron_remote.envelope import NEWEST_ONLY, kind_of, slot_of
from heron_remote.gateway.environment import gateway_environment
from heron_remote.gateway.pipe import PipeError, read_frame, write_frame

COMMAND = [sys.executable, "-m", "heron_remote.gateway.node"]
AGAIN_S = 0.2
"""From the end of a gateway to the next one."""
STOP_S = 2.0
"""Until a gateway that does not end by itself is killed."""
SIGNALS_WAITING = 16


class GatewayProcess:
    """Sends envelopes to the other host and hands over what comes from there. No queue grows.

    Args:
        side: `vehicle` or `server`.
        domain: DDS domain of the link; not the vehicle's own.
        dds: Fast DDS profile of the gateway's process; None: as it is in the environment.
        heard: called with each message in a thread of the gateway's own; it must not block. What it raises ends the link: `forward` raises it again.
        keystore: of SROS2, where the link is to be secured; None: as the environment says. It raises ConfigError where it cannot be.

    Attributes:
        displaced: messages that a newer one of their kind for the same receiver replaced before they were sent.
        restarts: how often the gateway's process had to be started anew.
        sent_bytes, heard_bytes: through the pipe.
    """

    def __init__(self, side: str, domain: int, dds: Path | None, heard: Callable[[bytearray], None], keystore: Path | None = None) -> None:
        self.displaced, self.restarts, self.sent_bytes, self.heard_bytes = 0, -1, 0, 0
        self._side, self._heard = side, heard
        self._environment = gateway_environment(side, domain, dds, keystore)
        self._newest: dict[bytes, bytes] = {}
        self._signals: deque[bytes] = deque(maxlen=SIGNALS_WAITING)
        self._changed = threading.Condition()
        self._writing = threading.Lock()  # of a pipe: it is not closed under a writer
        self._failure: BaseException | None = None
        self._credit = False
        self._pipe: socket.socket | None = None
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=f"gateway/{name}", daemon=True) for name, run in (("own", self._own), ("send", self._send))
        ]
        for thread in self._threads:
            thread.start()

    def forward(self, envelope: bytes) -> None:
        """Sends as soon as the gateway is free; until then it takes the place of the last of its kind for that receiver, or a few small ones wait.

        Raises:
            RuntimeError: what `heard` raised has ended the link.
        """
        slot = slot_of(envelope)
        with self._changed:
            if self._failure is not None:
                raise RuntimeError(f"the link has ended: {self._failure!r}") from self._failure
            if kind_of(envelope) in NEWEST_ONLY:
                self.displaced += slot in self._newest
                self._newest[slot] = envelope
            else:
                self.displaced += len(self._signals) == SIGNALS_WAITING
                self._signals.append(envelope)
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the gateway's process and the threads."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
            if self._pipe is not None:
                with suppress(OSError):
                    self._pipe.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(STOP_S + 1.0)

    def _own(self) -> None:
        """One gateway after the other, and what each hears."""
        while not self._stopping.is_set():
            self.restarts += 1
            try:
                ours, process = self._started()
            except OSError as error:  # no memory, no process, no descriptor: perhaps in a moment
                print(f"{GatewayProcess.__name__}: cannot be started: {error}", file=sys.stderr)
                self._stopping.wait(AGAIN_S)
                continue
            try:
                with self._changed:
                    self._pipe, self._credit = ours, True
                    self._changed.notify_all()
                with suppress(PipeError, OSError):
                    self._hear(ours)
            except Exception as error:
                with self._changed:
                    self._failure = error
                raise  # shown by the thread's hook; `send` says it to those who rely on us
            finally:
                self._ended(ours, process)
            self._stopping.wait(AGAIN_S)

    def _started(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        ours, theirs = socket.socketpair()
        command = [*COMMAND, self._side, str(theirs.fileno())]
        try:
            return ours, subprocess.Popen(command, env=self._environment, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()

    def _ended(self, pipe: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """Lets go of a pipe and ends the process at its other end."""
        with self._changed:
            self._pipe = None
        with suppress(OSError):
            pipe.shutdown(socket.SHUT_RDWR)  # a writer that it blocks lets go
        with self._writing:
            pipe.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _hear(self, pipe: socket.socket) -> None:
        while not self._stopping.is_set():
            data = read_frame(pipe)
            if data:
                self.heard_bytes += len(data)
                self._heard(data)
                continue
            with self._changed:
                self._credit = True
                self._changed.notify_all()

    def _send(self) -> None:
        while True:
            with self._changed:
                while not self._stopping.is_set() and (self._pipe is None or not self._credit or not (self._signals or self._newest)):
                    self._changed.wait()
                if self._stopping.is_set():
                    return
                pipe, self._credit = self._pipe, False
                assert pipe is not None
                envelope = self._signals.popleft() if self._signals else self._newest.pop(next(iter(self._newest)))
            with suppress(OSError), self._writing:  # the gateway died: what it was given is lost with it
                write_frame(pipe, envelope)
                self.sent_bytes += len(envelope)
