"""Defaults of recording and importing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WriterConfig:
    """How a recording is laid out on disk.

    Attributes:
        chunk_bytes: a chunk is closed when it holds this much; a power loss or kill -9 costs at most the chunk being filled.
        chunk_s: and when its messages span this long, so that slow topics are on disk soon too.
        sync_s: time between fdatasync calls, which bound what a power loss costs; 0 syncs only at the end.
    """

    chunk_bytes: int = 4 << 20
    chunk_s: float = 1.0
    sync_s: float = 0.0

    def __post_init__(self) -> None:
        if not 1024 <= self.chunk_bytes <= 1 << 30:
            raise ValueError(f"chunk_bytes is {self.chunk_bytes}, expected 1024 … {1 << 30}")
        if self.chunk_s <= 0:
            raise ValueError(f"chunk_s is {self.chunk_s}, expected more than 0")
        if self.sync_s < 0:
            raise ValueError(f"sync_s is {self.sync_s}, expected 0 (only at the end) or more")
