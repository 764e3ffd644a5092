"""Whether the bytes of images are what they were: read in threads, a few ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heron_camera.decode import jpeg_tear
from heron_jadd.check_tables import BROKEN, Say, why
from heron_jadd.checksum import crc32

CHUNK = 64  # images that a thread reads before it is asked how it went


@dataclass(frozen=True)
class Image:
    """A file, and what the table of frames (or clouds) says of it; `kind` is of the finding if its bytes are others."""

    path: Path
    where: str
    size: int
    crc32: int
    kind: str = "image_crc"
    jpeg: bool = True


class Reader:
    """Reads images in threads (reading and crc32 let others run), a few chunks ahead, so that memory holds one image for each thread.

    Args:
        workers: threads.
        say: takes findings.
        progress: called with a stage, how much of it is done, and how much there is, as far as it is known.

    Attributes:
        images, size: that were read, and their bytes.
    """

    def __init__(self, workers: int, say: Say, progress: Callable[[str, int, int], None]) -> None:
        self.images = self.size = 0
        self._say, self._progress, self._ahead, self._submitted = say, progress, 4 * workers, 0
        self._pool = ThreadPoolExecutor(workers)
        self._waiting: deque[tuple[list[Image], Future[list[tuple[str, str]]]]] = deque()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        while self._waiting and kind is None:
            self._collect()
        self._pool.shutdown(cancel_futures=True)

    def read(self, images: Sequence[Image]) -> None:
        """Has images read."""
        self._submitted += len(images)
        for begin in range(0, len(images), CHUNK):
            chunk = list(images[begin : begin + CHUNK])
            self._waiting.append((chunk, self._pool.submit(_faults, chunk)))
            if len(self._waiting) > self._ahead:
                self._collect()

    def _collect(self) -> None:
        chunk, future = self._waiting.popleft()
        for fault in future.result():
            self._say(*fault)
        self.images += len(chunk)
        self.size += sum(image.size for image in chunk)
        self._progress("images", self.images, self._submitted)


def _faults(images: Sequence[Image]) -> list[tuple[str, str]]:
    """(kind, sentence) for images whose bytes are not what they were."""
    found = []
    for image in images:
        try:
            data = image.path.read_bytes()
        except BROKEN as error:
            found.append(("image_missing", f"{image.where}: {why(error)}"))
            continue
        found_crc32 = crc32(data)
        if found_crc32 != image.crc32:
            found.append((image.kind, f"{image.where}: crc32 {found_crc32:08x}, the table of frames says {image.crc32:08x}"))
        tear = jpeg_tear(np.frombuffer(data, np.uint8)) if image.jpeg else None
        if tear:
            found.append(("image_torn", f"{image.where}: {tear}"))
    return found
