"""Recordings that appear whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heron_bag.errors import BagError, BagWriteError
from heron_bag.writer import BagWriter


@contextmanager
def whole_recording(out: Path) -> Iterator[BagWriter]:
    """A writer whose recording becomes `out` when the block ends well; until then it lies beside as `.<name>.part`, removed on any error or Ctrl-C.

    Raises:
        BagError: `out` exists. BagWriteError: the disk is full; nothing is kept.
    """
    if out.exists():
        raise BagError(f"{out}: exists already; give another folder, or remove it")
    part = out.absolute().parent / f".{out.absolute().name}.part"
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    try:
        writer = BagWriter(part / out.absolute().name)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.close()
        writer.path.rename(out)
    except BagWriteError as error:
        raise BagWriteError(f"{out}: not made: {error.reason}; make room, or give a folder on another disk") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
