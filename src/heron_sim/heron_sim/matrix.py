"""Many drives: scenarios x seeds on a pool of processes, kept in a file as they come, so that a stopped matrix goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heron_core.errors import HeronError, InputError
from heron_runtime.watchdog import die_with_parent
from heron_sim.config import LARGEST_SEED
from heron_sim.matrix_jobs import Job, Row, drive

ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # a process per core, a thread per process
ROWS_FILE = "runs.jsonl"
MOST_SEEDS = 100_000


class MatrixError(HeronError):
    """A process of the pool died."""

    is_failure = True


def run_matrix(
    wanted: Sequence[Job], out: Path, workers: int, on_row: Callable[[Row], None] = lambda row: None, task: Callable[[Job], Row] | None = None
) -> list[Row]:
    """Drives what is not yet in `out`/runs.jsonl, and adds it there row by row.

    Args:
        wanted: what to drive.
        out: folder of the file.
        workers: processes.
        on_row: is told each row that is done, those of the file first.
        task: instead of `drive`.

    Returns:
        Rows in the order of `wanted`. After Ctrl-C (KeyboardInterrupt passes through) those that were done are in the file.

    Raises:
        MatrixError: a process died without a word.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / ROWS_FILE
    known = _known(path, {job.key for job in wanted})
    rows = {job.key: known[job.key] for job in wanted if job.key in known}
    for row in rows.values():
        on_row(row)
    missing = [job for job in wanted if job.key not in rows]
    if not missing:
        return [rows[job.key] for job in wanted]
    with path.open("a", encoding="utf-8") as file, worker_pool(min(workers, len(missing))) as pool:
        coming: dict[Future[Row], Job] = {pool.submit(task or drive, job): job for job in missing}
        for done in as_completed(coming):
            job = coming[done]
            try:
                row = done.result()
            except BrokenExecutor as error:
                text = f"a process of the matrix died near {job.scenario.name}, seed {job.seed} (killed, or out of memory)"
                raise MatrixError(f"{text}; {len(rows)} of {len(wanted)} drives are kept, the same command goes on") from error
            file.write(json.dumps(row, sort_keys=True) + "\n")
            file.flush()
            rows[job.key] = row
            on_row(row)
    return [rows[job.key] for job in wanted]


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """What report.json says: sums over all runs, and the same per scenario in order of first appearance."""
    names = list(dict.fromkeys(str(row["scenario"]) for row in rows))
    return {
        **_sums(rows),
        "scenarios": {name: _sums([row for row in rows if row["scenario"] == name]) for name in names},
        "failures": [
            {"scenario": row["scenario"], "seed": row["seed"], "failures": row["failures"]}
            for row in sorted(rows, key=lambda row: (names.index(row["scenario"]), row["seed"]))
            if not row["passed"]
        ],
    }


def _sums(rows: Sequence[Row]) -> dict[str, Any]:
    def total(key: str) -> float:
        return sum(float(row["driving"].get(key) or 0.0) for row in rows)

    simulated, wall = sum(row["seconds"] for row in rows), sum(row["wall_s"] for row in rows)
    return {
        "runs": len(rows),
        "passed": sum(bool(row["passed"]) for row in rows),
        "collisions": round(total("collisions")),
        "at_fault_collisions": round(total("at_fault_collisions")),
        "red_lights_run": round(total("red_lights_run")),
        "guide_signs_run": round(total("guide_signs_run")),
        "pedestrians_not_yielded": round(total("pedestrians_not_yielded")),
        "left_the_road": sum((row["driving"].get("off_road_s") or 0.0) > 0.0 for row in rows),
        "off_road_s": round(total("off_road_s"), 2),
        "wrong_lane_s": round(total("wrong_lane_s"), 2),
        "mean_distance_m": round(total("distance_m") / max(len(rows), 1), 1),
        "wall_s": round(wall, 2),
        "realtime_factor": round(simulated / wall, 1) if wall > 0.0 else 0.0,
    }


def parse_seeds(text: str) -> list[int]:
    """`7`, `0:100` (without its end) or a list of them, as `1,5,10:20`; each once, in order.

    Raises:
        InputError: anything else, nothing, too large a seed, or too many of them.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, colon, end = part.strip().partition(":")
        if not first.isdecimal() or (colon and not end.isdecimal()):
            raise InputError(f"seeds {text!r}: expected numbers as 7, 0:100 or 1,5,10:20")
        named = range(int(first), int(end) if colon else int(first) + 1)
        if named and named[-1] > LARGEST_SEED:
            raise InputError(f"seeds {text!r}: {named[-1]} is above {LARGEST_SEED}")
        if len(seeds) + len(named) > MOST_SEEDS:
            raise InputError(f"seeds {text!r}: more than {MOST_SEEDS}; give fewer")
        seeds += named
    if not seeds:
        raise InputError(f"seeds {text!r} name none: the end of a range is not in it")
    return list(dict.fromkeys(seeds))


def _known(path: Path, wanted: set[tuple[str, int, str, str]]) -> dict[tuple[str, int, str, str], Row]:
    """Rows of the file that are wanted; a file with others, or with half a row, is written anew without them."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    found: dict[tuple[str, int, str, str], Row] = {}
    for line in lines:
        try:
            row = json.loads(line)
            key = (row["scenario"], row["seed"], row["policy"], row["fingerprint"])
        except (ValueError, KeyError, TypeError):
            continue
        if key in wanted and line.endswith("\n"):
            found[key] = row
    if len(found) < len(lines):
        beside = path.with_suffix(".new")
        beside.write_text("".join(json.dumps(row, sort_keys=True) + "\n" for row in found.values()), encoding="utf-8")
        beside.replace(path)
    return found


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile use one thread: libraries read it when they are loaded."""
    before: Mapping[str, str | None] = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each that end with this one; whatever leaves the block early, Ctrl-C too, ends their work at once."""
    with one_thread_each():
        others = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin_worker, initargs=(os.getpid(),))
        try:
            yield pool
        except BaseException:  # nobody waits for what is not wanted any more
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(parent_pid: int) -> None:
    """Ctrl-C is the parent's to handle; a worker does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent_pid)
