"""Mutation of the gate and of who drives: every limit and comparison, changed in the code, must make a test fail.

    python src/heron_control/test/mutation.py --out DIR

Each mutant meets its tests in a child of its own, the quick tests first; the first test that fails is its killer. A mutant inside of a function
takes the function's place where all tests are loaded already; one outside (the ceilings are such code) is there before anything loads its module.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from mutants import SRC, Mutant, compiled, module_of, mutants, put_in_place
from mutation_report import excuse, write_report


def _tests(parts: str) -> list[str]:
    return [f"heron_control/test/test_{part}.py" for part in parts.split()]


# Mutated file → tests that it meets.
SUBJECTS = {
    "heron_core/heron_core/limits.py": ["heron_core/test/test_limits.py", *_tests("gate_window gate gate_faults gate_counts gate_fuzz")],
    "heron_control/heron_control/codec.py": _tests("gate_window gate gate_faults gate_counts gate_fuzz"),
    "heron_control/heron_control/gate_window.py": _tests("gate_window gate gate_faults gate_counts gate_fuzz"),
    "heron_control/heron_control/gate.py": _tests("gate gate_faults gate_counts gate_codec gate_fuzz"),
    "heron_control/heron_control/can_codec.py": _tests("gate_codec gate_window gate"),
    "heron_control/heron_control/ladder.py": _tests("ladder engagement conditions"),
    "heron_control/heron_control/conditions.py": _tests("conditions"),
    "heron_control/heron_control/engagement.py": _tests("engagement conditions"),
}
TIMEOUT_S = 60.0
FORK = multiprocessing.get_context("fork")
Told = Callable[[Mutant, str], None]
Meeting = Callable[[Mutant, Connection], None]


class Killer:
    """A pytest plugin that remembers the first test that fails."""

    def __init__(self) -> None:
        self.name = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A part of a test ended."""
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        """A file was collected."""
        if report.failed and not self.name:
            self.name = f"{report.nodeid} (does not load)"


def arguments(tests: list[str]) -> list[str]:
    """Of pytest. Without the package's conftest, which loads far more than a gate."""
    options = ["-x", "-q", "-s", "-c", os.devnull, f"--rootdir={SRC}", "--import-mode=importlib", "-p", "no:cacheprovider", "-p", "gate_drive"]
    return [*options, "--noconftest", *(str(SRC / test) for test in tests)]


@contextmanager
def silence() -> Iterator[None]:
    """What is written meanwhile is lost."""
    kept, null = (os.dup(1), os.dup(2)), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    try:
        yield
    finally:
        for number, stream in enumerate(kept, start=1):
            os.dup2(stream, number)
            os.close(stream)
        os.close(null)


def meet_before_import(mutant: Mutant, answer: Connection) -> None:
    """In a child that has not loaded the module: puts the mutant there and runs the tests, file by file, for the first kills most."""
    import pytest

    killer, name = Killer(), module_of(mutant.file)
    spec = importlib.util.spec_from_file_location(name, SRC / mutant.file)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        exec(compiled(mutant), module.__dict__)
    except Exception as error:
        answer.send(f"{type(error).__name__} when loaded")
        return
    for test in SUBJECTS[mutant.file]:
        code = pytest.main(arguments([test]), plugins=[killer])
        if code:
            answer.send(killer.name or f"pytest ended with {code}")
            return
    answer.send("")


class Collected:
    """A pytest plugin that, with all tests loaded, lets each mutant meet its own instead of running them.

    Attributes:
        fault: a test that fails without any mutant; then no mutant is judged.
    """

    def __init__(self, judge: Callable[[Meeting], None]) -> None:
        self._judge = judge
        self._items: list[Any] = []
        self._seconds: dict[str, float] = {}
        self._killer = Killer()
        self.fault = "tests are not collected"

    def pytest_collectreport(self, report: Any) -> None:
        """A file was collected."""
        self._killer.pytest_collectreport(report)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A part of a test ended."""
        self._killer.pytest_runtest_logreport(report)
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_runtestloop(self, session: Any) -> bool:
        """In place of pytest's own."""
        if self._killer.name:
            self.fault = self._killer.name
            return True
        self._items = [item for item in session.items if item.get_closest_marker("slow") is None]
        receive, send = FORK.Pipe(duplex=False)
        process = FORK.Process(target=self._meet_nothing, args=(send,))
        process.start()
        self.fault, self._seconds = receive.recv()
        process.join()
        if not self.fault:
            self._items.sort(key=lambda item: self._seconds[item.nodeid])
            self._judge(self._meet)
        return True

    def _meet_nothing(self, answer: Connection) -> None:
        with silence():
            self._run(self._items)
        answer.send((self._killer.name, self._seconds))

    def _meet(self, mutant: Mutant, answer: Connection) -> None:
        """In a child: the mutant takes its function's place and meets its tests."""
        put_in_place(mutant)
        tests = tuple(SUBJECTS[mutant.file])
        self._run([item for item in self._items if item.nodeid.startswith(tests)])
        answer.send(self._killer.name)

    def _run(self, items: list[Any]) -> None:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._killer.name:
                return


def in_child(meeting: Meeting, mutant: Mutant, answer: Connection) -> None:
    """Lets a mutant meet its tests and ends the process without any clearing up."""
    with silence():
        try:
            meeting(mutant, answer)
        except BaseException as error:  # of this file: what a mutant raises is a test's to judge
            answer.send(error)
    os._exit(0)


def run(chosen: list[Mutant], jobs: int, meeting: Meeting, told: Told) -> None:
    """Tells each mutant's killer, or empty where it survived."""
    todo = list(reversed(chosen))
    running: dict[Connection, tuple[Mutant, Any, float]] = {}
    while todo or running:
        while todo and len(running) < jobs:
            mutant = todo.pop()
            receive, send = FORK.Pipe(duplex=False)
            process = FORK.Process(target=in_child, args=(meeting, mutant, send))
            process.start()
            send.close()
            running[receive] = (mutant, process, time.monotonic())
        ready = wait(list(running), timeout=1.0)
        for receive, (mutant, process, since) in list(running.items()):
            late = time.monotonic() - since > TIMEOUT_S
            if receive not in ready and not late:
                continue
            try:
                killer = receive.recv() if receive in ready else "timeout"
            except EOFError:
                killer = "the process died"
            process.kill()
            process.join()
            receive.close()
            del running[receive]
            if isinstance(killer, BaseException):
                raise RuntimeError(f"{mutant} met no test") from killer
            told(mutant, killer)


def judge(chosen: list[Mutant], jobs: int, told: Told) -> str:
    """Lets all mutants meet their tests; returns a test that fails without any, or empty."""
    import pytest

    run([mutant for mutant in chosen if not mutant.function], jobs, meet_before_import, told)
    inside = [mutant for mutant in chosen if mutant.function]
    collected = Collected(lambda meeting: run(inside, jobs, meeting, told))
    with silence():
        pytest.main(arguments(sorted({test for mutant in chosen for test in SUBJECTS[mutant.file]})), plugins=[collected])
    return collected.fault


def warm_up() -> None:
    """Imports what the tests need and no mutant touches, so that children start with it."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in ("pytest", "hypothesis", "hypothesis.strategies", "numpy", "yaml", "cantools", "heron_can.car", "heron_can.encode"):
        importlib.import_module(name)
    touched = [file for file in SUBJECTS if module_of(file) in sys.modules]
    assert not touched, touched


def sample(everything: list[Mutant]) -> list[Mutant]:
    """One of each kind, from the middle of its row."""
    kinds = sorted({mutant.kind for mutant in everything})
    rows = ([mutant for mutant in everything if mutant.kind == kind and not excuse(mutant)] for kind in kinds)
    return [row[len(row) // 2] for row in rows]


def main() -> int:
    """0 when every mutant is killed or excused."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of mutation.md and mutation.json")
    parser.add_argument("--sample", action="store_true", help="one mutant of each kind")
    parser.add_argument("--only", default="", help="files whose path holds this")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    warm_up()
    everything = [mutant for file in SUBJECTS if options.only in file for mutant in mutants(file)]
    chosen = sample(everything) if options.sample else everything
    found: dict[Mutant, str] = {}
    started, screen = time.monotonic(), os.fdopen(os.dup(1), "w")

    def told(mutant: Mutant, killer: str) -> None:
        found[mutant] = killer
        if not killer and not excuse(mutant):
            print(f"SURVIVED {mutant.file}:{mutant.line} {mutant.before} → {mutant.after}   in: {mutant.code}", file=screen, flush=True)

    fault = judge(chosen, options.jobs, told)
    if fault:
        print(f"{fault} fails without any mutant", file=sys.stderr)
        return 2
    seconds = time.monotonic() - started
    survivors = sum(not killer and not excuse(mutant) for mutant, killer in found.items())
    write_report({mutant: found[mutant] for mutant in everything if mutant in found}, seconds, options.out)
    print(f"{len(chosen)} mutants, {survivors} survived, {seconds:.0f} s; {options.out / 'mutation.md'}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
