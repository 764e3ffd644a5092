"""Who makes the scenes: processes of this machine, or Spark. Both run the same pure function on the same jobs, so the bytes are the same."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, Literal

from heron_core.errors import ConfigError, HeronError, InputError
from heron_jadd.job import Job
from heron_jadd.room import is_full
from heron_jadd.scene import run_scene

LOCAL = "local"  # Spark in processes of this machine, for trying
WAVE = 8  # scenes for each core of a cluster that are handed out at once


class WorkerError(HeronError):
    """A process that made scenes is gone."""

    is_failure = True


@dataclass(frozen=True)
class Failed:
    """Why a scene could not be made.

    Attributes:
        reason: in words.
        fault: `recording`: another try would find it again; `disk`: it is full; `machine`: anything else.
        path: that could not be written, of a full disk.
        code: errno, likewise.
    """

    reason: str
    fault: Literal["recording", "machine", "disk"]
    path: str = ""
    code: int | None = None


Result = tuple[int, dict[str, Any] | Failed]


def results(jobs: Sequence[Job], workers: int, spark: str = "") -> Generator[Result, None, None]:
    """(number of the job, its manifest or why there is none) as they come; closing it ends the processes.

    Args:
        jobs: what to make.
        workers: processes of this machine; 1: this one.
        spark: master URL of a cluster, e.g. spark://host:7077 or yarn; "local": Spark with `workers` threads here; "": no Spark.

    Raises:
        InputError: Spark is wanted, and not installed or cannot be reached.
    """
    return _cluster(jobs, workers, spark) if spark else _processes(jobs, workers)


def _processes(jobs: Sequence[Job], workers: int) -> Generator[Result, None, None]:
    if workers <= 1 or len(jobs) <= 1:
        for k, job in enumerate(jobs):
            yield k, _tried(job)
        return
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        waiting: dict[Future[dict[str, Any] | Failed], int] = {}
        rest = iter(enumerate(jobs))
        try:
            while True:
                while len(waiting) < 2 * workers and (following := next(rest, None)) is not None:
                    waiting[pool.submit(_tried, following[1])] = following[0]
                if not waiting:
                    return
                done, _ = wait(waiting, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=waiting.__getitem__):
                    yield waiting.pop(future), future.result()
        except BrokenProcessPool as error:
            raise WorkerError(
                "a worker process was killed (out of memory?); scenes that were done are kept: run it again, with fewer --workers"
            ) from error
        except BaseException as stop:  # who is no longer interested waits for scenes that are being made; Ctrl-C has ended those as well
            pool.shutdown(wait=isinstance(stop, GeneratorExit), cancel_futures=True)
            raise


def _one_thread() -> None:
    import cv2

    cv2.setNumThreads(1)  # the processes are the parallelism
    os.environ["OMP_NUM_THREADS"] = "1"


def _tried(job: Job) -> dict[str, Any] | Failed:
    try:
        return run_scene(job)
    except (InputError, ConfigError) as error:
        return Failed(str(error), "recording" if job.recording.path.exists() else "machine")  # a disk that is gone is no fault of what was on it
    except (HeronError, OSError) as error:
        if is_full(error):
            return Failed(str(error), "disk", getattr(error, "filename", None) or str(job.home), getattr(error, "errno", None))
        return Failed(str(error), "machine")


def _cluster(jobs: Sequence[Job], workers: int, master: str) -> Generator[Result, None, None]:
    if not jobs:
        return
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise InputError("Spark is not installed here: pip install pyspark (it needs Java 17), or leave --engine away") from error
    url = f"local[{workers}]" if master == LOCAL else master
    builder = (
        SparkSession.builder.master(url).appName("heron jadd").config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    )
    if master == LOCAL:
        builder = builder.config("spark.driver.host", "127.0.0.1")
    try:
        session = builder.getOrCreate()
    except Exception as error:  # whatever Java says
        raise InputError(f"Spark at {url} cannot be used: {str(error).splitlines()[0]}") from error
    try:
        context = session.sparkContext
        numbered, wave = list(enumerate(jobs)), WAVE * context.defaultParallelism
        for begin in range(0, len(numbered), wave):  # so that progress is seen, and a driver that dies has lost little
            some = numbered[begin : begin + wave]
            yield from context.parallelize(some, len(some)).map(_numbered).collect()
    finally:
        session.stop()


def _numbered(job: tuple[int, Job]) -> Result:
    _one_thread()
    return job[0], _tried(job[1])
