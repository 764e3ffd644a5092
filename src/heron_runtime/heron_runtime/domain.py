"""A DDS domain for one run: two replays on one machine, or a replay beside a car, must not hear each other."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from heron_core.errors import HeronError

VARIABLE = "ROS_DOMAIN_ID"
OWN_DOMAINS = range(1, 100)
"""0 is the default, and so the car's; from 102 on the ports of Fast DDS meet the kernel's ephemeral ones."""


@contextmanager
def own_domain(environment: Mapping[str, str]) -> Iterator[int]:
    """A domain that no other run of this user has while the context lasts; the one in `environment` where the caller chose.

    Raises:
        HeronError: all are taken.
    """
    if environment.get(VARIABLE):
        yield int(environment[VARIABLE])
        return
    folder = Path(tempfile.gettempdir(), f"heron-domains-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in random.sample(OWN_DOMAINS, len(OWN_DOMAINS)):  # not the one that a run has just left: it may still be heard there
        with (folder / str(number)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number  # the lock goes with the file, also when the process is killed
            return
    raise HeronError(f"every DDS domain from {OWN_DOMAINS[0]} to {OWN_DOMAINS[-1]} has a run; end one, or set {VARIABLE}")
