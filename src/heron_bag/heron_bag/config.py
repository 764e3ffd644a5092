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


@dataclass(frozen=True)
class RecorderConfig:
    """What is recorded, and where.

    Attributes:
        out: folder of the recording; it must not exist. Empty: none is given, which is an error.
        topics: names or patterns such as /camera/*; topics that appear later are taken too.
        exclude: patterns of what is left out.
        vehicle: folder of the car's configuration, whose files are attached; empty for none.
        policy: policy folder, whose contract and digests are attached; empty for none.
        queue_bytes: messages waiting for the disk; beyond it new ones are dropped and counted.
        chunk_bytes, chunk_s, sync_s: see `WriterConfig`.
        discover_s: how often new topics are looked for.
        stop_process: end the process when recording cannot go on; for a recorder that runs alone.
    """

    out: str = ""
    topics: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("/parameter_events", "/rosout", "*/_action/*")
    vehicle: str = ""
    policy: str = ""
    queue_bytes: int = 256 << 20
    chunk_bytes: int = 4 << 20
    chunk_s: float = 1.0
    sync_s: float = 1.0
    discover_s: float = 0.5
    stop_process: bool = False

    def __post_init__(self) -> None:
        if not self.out:
            raise ValueError("out is empty; give the folder that the recording shall become")
        if not self.topics:
            raise ValueError("topics is empty; give names or patterns, * for all")
        if self.queue_bytes < 1 << 20:
            raise ValueError(f"queue_bytes is {self.queue_bytes}, expected {1 << 20} or more")
        if not 0.05 <= self.discover_s <= 60:
            raise ValueError(f"discover_s is {self.discover_s}, expected 0.05 … 60")
        self.writer()

    def writer(self) -> WriterConfig:
        """The part that concerns the file."""
        return WriterConfig(self.chunk_bytes, self.chunk_s, self.sync_s)


@dataclass(frozen=True)
class PlayerConfig:
    """What is played, and how.

    Attributes:
        bag: the recording. topics: names or patterns.
        rate: recorded seconds per second.
        start_s: where to begin, from its first message.
        clock_hz: rate of /clock, which carries recorded time; 0 for none.
        wait_s: time for listeners to find the publishers before the first message.
        stop_process: end the process at the end of the recording; for a player that runs alone.
    """

    bag: str = ""
    topics: tuple[str, ...] = ("*",)
    rate: float = 1.0
    start_s: float = 0.0
    clock_hz: float = 100.0
    wait_s: float = 1.0
    stop_process: bool = False

    def __post_init__(self) -> None:
        if not self.bag:
            raise ValueError("bag is empty; give the recording to play")
        if not 0.01 <= self.rate <= 100:
            raise ValueError(f"rate is {self.rate}, expected 0.01 … 100")
        if self.start_s < 0:
            raise ValueError(f"start_s is {self.start_s}, expected 0 or more")
        if not 0 <= self.clock_hz <= 1000:
            raise ValueError(f"clock_hz is {self.clock_hz}, expected 0 … 1000")
        if self.wait_s < 0:
            raise ValueError(f"wait_s is {self.wait_s}, expected 0 or more")
