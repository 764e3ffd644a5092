"""What a scene's parts cost in CPU time and bytes, as measured, and how fast this machine is beside the one that was measured.

Images that are decoded and encoded are not among them: `estimate` times some of the recording's own.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import time
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Work:
    """How much there is of what costs.

    Attributes:
        scenes: to be made.
        images: written.
        boxed: samples that get boxes.
        can: CAN messages read (batches of frames).
        messages: other small messages read.
        read_mb: of the recording, 1e6 bytes.
        written_mb: of images, 1e6 bytes.
    """

    scenes: float = 0.0
    images: float = 0.0
    boxed: float = 0.0
    can: float = 0.0
    messages: float = 0.0
    read_mb: float = 0.0
    written_mb: float = 0.0

    def __add__(self, other: Work) -> Work:
        """Both together."""
        return Work(*(mine + others for mine, others in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    def times(self, each: Work) -> float:
        """Sum over the kinds of work, where `each` is the cost of one."""
        return float(np.dot(dataclasses.astuple(self), dataclasses.astuple(each)))


@dataclass(frozen=True)
class Costs:
    """CPU seconds where `yardstick_s()` gives `yardstick_s`; measured by `python -m heron_jadd.calibrate RECORDING...`.

    Attributes:
        yardstick_s: of a fixed piece of Python and numpy.
        recording_s, status_s: to look at a recording, and for each control status in it.
        first_fused_s, fused_s: to fuse the first track of a process, over the others; for each fix, IMU sample and state that is fused.
        can_fused_s, can_read_s: likewise of CAN, where no topic tells what is fused: for each CAN message, and for each 1e6 bytes of the recording.
        start_s: of a run that does all for the first time, over what the others explain.
        process_s: to start another process.
        first_s: of the first scene of a process, over that of the others: parsed DBCs, loaded libraries.
        scene: for each kind of work, of making scenes.
        merge_s, merge: of tables and view, whatever is in them, and for each kind of work that is.
        table_bytes: bytes of tables, manifests and the view's JSON for each kind of work.
    """

    yardstick_s: float = 0.00176
    recording_s: float = 0.0251
    status_s: float = 8.19e-05
    first_fused_s: float = 0.879
    fused_s: float = 3.38e-05
    can_fused_s: float = 4.5e-05
    can_read_s: float = 7.7e-04
    start_s: float = 0.0
    process_s: float = 0.499
    first_s: float = 0.672
    scene: Work = Work(scenes=0.064, images=8.57e-05, boxed=0.003, can=3.54e-05, read_mb=0.000303, written_mb=0.00196)
    merge_s: float = 0.0287
    merge: Work = Work(images=3.24e-05, can=2.55e-05, messages=3.23e-06)
    table_bytes: Work = Work(images=754.0, boxed=2950.0, can=225.0, messages=124.0)


def yardstick_s(rounds: int = 9) -> float:
    """CPU seconds of a fixed piece of work like that of reading messages and writing tables; the least of some rounds, 2 ms each.

    The first rounds find their data and code cold, which says nothing of the machine.
    """
    block = bytes(range(256)) * 1024
    times = []
    for _ in range(rounds):
        began = time.process_time()
        rows = [{"stamp_ns": struct.unpack_from("<q", block, k)[0], "name": f"{k:08x}"} for k in range(1500)]
        text = json.dumps(rows)
        for k in range(400):
            np.frombuffer(block, np.uint8, 512, k).astype(np.float64).sum()
        zlib.crc32(block + text.encode())
        times.append(time.process_time() - began)
    return min(times)
