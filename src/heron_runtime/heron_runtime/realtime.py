"""Real time: a process whose threads the scheduler prefers and whose memory stays; what is not permitted is said, once, with the cure."""

from __future__ import annotations

import ctypes
import os
import resource
import threading
from pathlib import Path

_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4  # linux/mman.h
_CAP_IPC_LOCK = 14  # linux/capability.h
_RTPRIO = "allow 'rtprio' in /etc/security/limits.conf"
_MEMLOCK = "allow 'memlock unlimited' in /etc/security/limits.conf"


class Priorities:
    """Gives every thread of this process SCHED_FIFO.

    Every thread, because one of normal priority that holds the interpreter's lock, or one of DDS, while other processes have its core, would hold up
    the executor for their time slice: priority inversion. The executor's thread gets the priority, other Python threads one less, those of libraries
    (DDS: they hold no interpreter lock, but the middleware's) two less, so that each yields to those that wait for it.
    """

    def __init__(self, priority: int) -> None:
        self._priority = priority
        self._refused = False

    def apply(self) -> str:
        """Takes the calling thread for the executor's and raises all that are not yet; again and again, for threads that come later.

        Returns:
            A sentence when that was refused, the first time; else an empty text.
        """
        if not self._priority or self._refused:
            return ""
        executor, python = threading.get_native_id(), {thread.native_id for thread in threading.enumerate()}
        try:
            for thread in (int(task.name) for task in Path("/proc/self/task").iterdir()):
                less = 0 if thread == executor else 1 if thread in python else 2
                self._raise(thread, max(1, self._priority - less))
        except PermissionError:
            self._refused = True
            return f"SCHED_FIFO {self._priority} is not permitted, running at normal priority: {_RTPRIO}"
        return ""

    @staticmethod
    def _raise(thread: int, priority: int) -> None:
        try:
            if os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK != os.SCHED_FIFO:  # what children inherit is normal
                os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
        except ProcessLookupError:  # it has ended meanwhile
            return


def fifo_permitted() -> bool:
    """Whether this process may give itself SCHED_FIFO; tried in a thread of its own."""
    permitted: list[bool] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            return
        permitted.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(permitted)


def be_nice(nice: int) -> str:
    """Sets the niceness of the process; a sentence when that was refused, else an empty text."""
    if nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except PermissionError:
            return f"nice {nice} is not permitted, running at {os.getpriority(os.PRIO_PROCESS, 0)}: allow it in /etc/security/limits.conf"
    return ""


def lock_memory() -> str:
    """Keeps what this process touches in memory: no page of it is ever read back from a disk. A sentence when that was refused, else an empty text.

    Pages are locked when they are touched: DDS maps hundreds of megabytes that it never uses. Under a limit nothing is locked: once it is reached,
    the next allocation would fail, in the middle of a drive.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft != resource.RLIM_INFINITY and hard == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard))
        soft = hard
    if soft != resource.RLIM_INFINITY and not _has_capability(_CAP_IPC_LOCK):
        return f"memory is not locked: the limit RLIMIT_MEMLOCK is {soft // 1024} KiB: {_MEMLOCK}"
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        return f"memory is not locked: {os.strerror(ctypes.get_errno())}: {_MEMLOCK}"
    return ""


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
