"""Real-time priority and locked memory: what they do where they are permitted, what is said where they are not."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from heron_runtime import realtime
from heron_runtime.config import ContainerConfig
from heron_runtime.realtime import Priorities, be_nice, fifo_permitted, lock_memory

pytestmark = pytest.mark.alone

needs_fifo = pytest.mark.skipif(not fifo_permitted(), reason="SCHED_FIFO is not permitted here")
THREADS = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
import numpy
from heron_runtime.realtime import Priorities
numpy.ones((600, 600)) @ numpy.ones((600, 600))  # starts threads that Python does not know
stop = threading.Event()
def show(thread):
    return f"{os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK}:{os.sched_getparam(thread).sched_priority}"
first = threading.Thread(target=stop.wait, daemon=True); first.start()
priorities = Priorities(7)
said = priorities.apply()
late = threading.Thread(target=stop.wait, daemon=True); late.start()
before = show(late.native_id)
said += priorities.apply()
python = {thread.native_id for thread in threading.enumerate()}
others = {show(int(task)) for task in os.listdir("/proc/self/task") if int(task) not in python}
child = os.popen("chrt -p $$ 2>/dev/null || python3 -c 'import os; print(os.sched_getscheduler(0))'").read()
print(said or "-", show(0), show(first.native_id), before, show(late.native_id), ",".join(others) or "-", "FIFO" in child)
"""


def refuse(*args: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def python(text: str) -> str:
    done = subprocess.run([sys.executable, "-c", text], env={**os.environ, "OPENBLAS_NUM_THREADS": "2"}, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_fifo
def test_every_thread_is_raised_and_yields_to_those_that_wait_for_it() -> None:
    said, executor, first, before, late, others, inherited = python(THREADS).split()
    fifo = os.SCHED_FIFO
    assert said == "-" and executor == f"{fifo}:7" and first == f"{fifo}:6"
    assert before.startswith(f"{os.SCHED_OTHER}:") and late == f"{fifo}:6", "a thread that came later is raised by the next call"
    assert others in ("-", f"{fifo}:5")
    assert inherited == "False", "child processes are normal"


def test_a_refused_priority_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    priorities = Priorities(40)
    assert priorities.apply() == "SCHED_FIFO 40 is not permitted, running at normal priority: allow 'rtprio' in /etc/security/limits.conf"
    assert priorities.apply() == ""
    assert not fifo_permitted()


def test_priority_0_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert Priorities(ContainerConfig.realtime_priority).apply() == ""


def test_a_refused_niceness_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "setpriority", refuse)
    assert "nice -5 is not permitted" in be_nice(-5) and be_nice(0) == ""


def limited(soft: int, hard: int) -> Callable[[int], tuple[int, int]]:
    return lambda which: (soft, hard)


def test_under_a_limit_nothing_is_locked_and_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", limited(8 << 20, 8 << 20))
    monkeypatch.setattr(realtime, "_has_capability", lambda number: False)
    monkeypatch.setattr("ctypes.CDLL", refuse)
    expected = "memory is not locked: the limit RLIMIT_MEMLOCK is 8192 KiB: allow 'memlock unlimited' in /etc/security/limits.conf"
    assert lock_memory() == expected


def test_a_limit_that_may_be_lifted_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    lifted: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", limited(8 << 20, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: lifted.append(limits))
    monkeypatch.setattr(realtime, "_has_capability", lambda number: False)
    monkeypatch.setattr("ctypes.CDLL", lambda *args, **kwargs: type("C", (), {"mlockall": staticmethod(lambda flags: 0)}))
    assert lock_memory() == "" and lifted == [(resource.RLIM_INFINITY, resource.RLIM_INFINITY)]


def test_memory_is_locked_where_it_may_be() -> None:
    text = (
        "from heron_runtime.realtime import lock_memory\n"
        "said = lock_memory()\n"
        "block = bytearray(20 << 20)\n"
        "locked = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmLck'))\n"
        "print(said or locked)\n"
    )
    said = python(text)
    assert said.startswith("memory is not locked: ") or int(said) > 20 << 10
