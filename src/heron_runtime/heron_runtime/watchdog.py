"""Signals and the end of a process: a stop is asked for once, and a stop that hangs is cut off."""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from heron_runtime.shm import mapped, sweep

EXIT_HUNG = 70  # EX_SOFTWARE of sysexits.h
_BACKSTOP_S = 2.0


class StopGuard:
    """Turns SIGINT and SIGTERM into a stop request, and ends the process if the stop takes longer than `timeout_s`.

    A Python signal handler runs only when the main thread returns to bytecode, and a spinning executor sits in C. So the signal number travels
    through a socket to a thread of this class, which wakes the executor. Further signals during the clean-up are ignored.

    Args:
        name: who stops, for the messages.
        timeout_s: from the stop request to `disarm`.
        wake: called in the watch thread when a stop is requested; must not block.
    """

    def __init__(self, name: str, timeout_s: float, wake: Callable[[], None]) -> None:
        self.timeout_s = timeout_s
        self.stopping = threading.Event()
        self.reason = ""
        self.name, self._wake = name, wake
        self._done = threading.Event()
        self._read, self._write = socket.socketpair()
        self._write.setblocking(False)

    def install(self) -> None:
        """Takes over SIGINT and SIGTERM; main thread only."""
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _noted)
        threading.Thread(target=self._watch, name="stop-guard", daemon=True).start()

    def stop(self, reason: str) -> None:
        """Requests a stop from inside the process; the first reason is kept."""
        if self.stopping.is_set():
            return
        self.reason = reason
        self.stopping.set()
        # In C, so that it fires even when a thread keeps the interpreter lock.
        faulthandler.dump_traceback_later(self.timeout_s + _BACKSTOP_S, exit=True)
        threading.Thread(target=self._cut_off, name="stop-watchdog", daemon=True).start()
        self._wake()

    def disarm(self) -> None:
        """The clean-up is over."""
        self._done.set()
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        while True:
            for number in self._read.recv(16):
                if number not in (signal.SIGINT, signal.SIGTERM):
                    continue
                if self.stopping.is_set():
                    _say(f"{self.name}: {signal.Signals(number).name} ignored, already stopping ({self.reason})")
                else:
                    self.stop(signal.Signals(number).name)

    def _cut_off(self) -> None:
        if self._done.wait(self.timeout_s):
            return
        _say(f"{self.name}: the clean-up after '{self.reason}' took longer than {self.timeout_s:g} s; exit {EXIT_HUNG}; stacks of all threads:")
        faulthandler.dump_traceback(all_threads=True)
        sweep(mapped(os.getpid()), but=os.getpid())
        os._exit(EXIT_HUNG)


def die_with_parent(parent_pid: int) -> None:
    """Makes the kernel send SIGTERM to this process when its supervisor dies, so that nothing keeps driving unsupervised (Linux)."""
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent_pid:  # it died before the call
        os.kill(os.getpid(), signal.SIGTERM)


def _noted(number: int, frame: FrameType | None) -> None:
    """Python's part of the signal: the wake-up socket has the number already."""


def _say(text: str) -> None:
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")
    sys.stderr.flush()
