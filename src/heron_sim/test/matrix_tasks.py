"""What processes of a matrix do in tests: no driving."""

import os
import time
from pathlib import Path

from heron_sim.matrix_jobs import Job, Row


def quick(job: Job) -> Row:
    """A drive that passes for even seeds, and tells in which process and with how many threads."""
    name, seed, policy, fingerprint = job.key
    driving = {"distance_m": 10.0 * seed, "collisions": seed % 2, "at_fault_collisions": seed % 2, "off_road_s": 0.5 * (seed % 3 == 0)}
    row: Row = {"scenario": name, "seed": seed, "policy": policy, "fingerprint": fingerprint, "passed": seed % 2 == 0, "driving": driving}
    return row | {"seconds": 60.0, "wall_s": 0.5, "failures": [] if seed % 2 == 0 else ["odd"], "threads": os.environ.get("NUMBA_NUM_THREADS")}


def counted(job: Job) -> Row:
    """As `quick`, and leaves a mark for every drive in the folder of its vehicle."""
    Path(job.vehicle, f"mark_{job.scenario.name}_{job.seed}").touch()
    return quick(job)


def dies_at_two(job: Job) -> Row:
    """The process dies."""
    if job.seed == 2:
        os._exit(7)
    return quick(job)


def sleeps_after_zero(job: Job) -> Row:
    """Seed 0 is quick, all others take a minute."""
    if job.seed:
        time.sleep(60.0)
    return quick(job)


def tells_who(job: Job) -> Row:
    """Writes its process id into the folder of its vehicle, and takes a minute."""
    Path(job.vehicle, "pid").write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(60.0)
    return quick(job)
