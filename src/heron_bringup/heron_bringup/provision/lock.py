"""One set-up at a time in a clone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def setup_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; wait, and say so, while another process sets up. The kernel frees it on any exit."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("heron: another ./heron is setting up this clone; waiting for it", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
