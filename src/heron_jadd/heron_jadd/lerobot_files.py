"""What lies where in a LeRobot dataset, format v3.0 (`lerobot/datasets/utils.py`): many episodes to a file of bounded size, many files to a chunk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from heron_jadd.lerobot_stats import Stats, joined
from heron_jadd.lerobot_tables import Features, data_schema, data_table, episodes_table, image_key
from heron_jadd.lerobot_video import Reel

VERSION = "v3.0"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
DATA, EPISODES, VIDEOS = f"data/{FILE}.parquet", f"meta/episodes/{FILE}.parquet", f"videos/{{video_key}}/{FILE}.mp4"
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
CHUNK, DATA_MB, VIDEO_MB = 1000, 100, 200


class Writer:
    """A LeRobot dataset while it is written, episode by episode; only statistics of all and the tasks are held.

    Args:
        root: folder to make.
        told: its features.
        cameras: whose videos it has.
        fps: steps per second.

    Attributes:
        tasks: text → number.
        episodes, frames: written so far.
    """

    def __init__(self, root: Path, told: Features, cameras: tuple[str, ...], fps: int) -> None:
        self.tasks: dict[str, int] = {}
        self.episodes = self.frames = 0
        self._root, self._told, self._fps, self._schema = root, told, fps, data_schema(told)
        (root / INFO).parent.mkdir(parents=True)
        self._data, self._rows = Rolling(root, DATA), Rolling(root, EPISODES)
        self._reels = {camera: Reels(root, image_key(camera), fps) for camera in cameras}
        self._stats: dict[str, Stats] = {}
        self._ends: dict[str, int] = {}

    def numbers_of(self, tasks: list[str]) -> list[int]:
        """Numbers of tasks; new ones get the next."""
        return [self.tasks.setdefault(task, len(self.tasks)) for task in tasks]

    def add(self, values: Mapping[str, Any], videos: Mapping[str, Path], stats: Mapping[str, Stats], tasks: list[str], split: str) -> None:
        """Writes an episode.

        Args:
            values: feature → values, as `lerobot_tables.columns` has them.
            videos: camera → its video.
            stats: feature → statistics.
            tasks: of its steps.
            split: those of one split must come together.
        """
        length = len(tasks)
        row: dict[str, Any] = {"episode_index": self.episodes, "tasks": list(dict.fromkeys(tasks)), "length": length}
        row |= dict(zip(("data/chunk_index", "data/file_index"), self._data.place(), strict=True))
        row |= {"dataset_from_index": self.frames, "dataset_to_index": self.frames + length}
        for camera, reels in self._reels.items():
            row |= reels.add(videos[camera])
        row |= dict(zip(("meta/episodes/chunk_index", "meta/episodes/file_index"), self._rows.place(), strict=True))
        self._data.add(data_table(values, self._schema))
        self._rows.add(episodes_table(row, stats))
        for key, each in stats.items():
            self._stats[key] = joined([self._stats[key], each]) if key in self._stats else each
        self.episodes, self.frames = self.episodes + 1, self.frames + length
        self._ends[split] = self.episodes

    def close(self, robot: str) -> None:
        """Writes what is known at the end.

        Args:
            robot: type of the car.
        """
        self._data.close()
        self._rows.close()
        for reels in self._reels.values():
            reels.close()
        write_tasks(self._root / TASKS, self.tasks)
        begins = [0, *self._ends.values()]
        info = {"codebase_version": VERSION, "robot_type": robot, "total_episodes": self.episodes, "total_frames": self.frames}
        info |= {"total_tasks": len(self.tasks), "chunks_size": CHUNK, "data_files_size_in_mb": DATA_MB, "video_files_size_in_mb": VIDEO_MB}
        info |= {"fps": self._fps, "splits": {split: f"{begin}:{end}" for begin, (split, end) in zip(begins, self._ends.items(), strict=False)}}
        info |= {"data_path": DATA, "video_path": VIDEOS, "features": self._told}
        for name, content in ((INFO, info), (STATS, self._stats)):
            (self._root / name).write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


class Rolling:
    """Parquet files, the next of which begins when one is large enough; a row group for each table.

    Args:
        root: of the dataset.
        pattern: of the files' names.
    """

    def __init__(self, root: Path, pattern: str) -> None:
        self._root, self._pattern, self._number = root, pattern, -1
        self._file: Any = None
        self._writer: Any = None

    def place(self) -> tuple[int, int]:
        """Chunk and file that the next table will be in."""
        full = self._writer is None or self._file.tell() >= DATA_MB << 20
        return divmod(self._number + full, CHUNK)

    def add(self, table: Any) -> None:
        """Writes a table."""
        chunk, file = self.place()
        if chunk * CHUNK + file != self._number:
            self.close()
            self._number += 1
            path = self._root / self._pattern.format(chunk_index=chunk, file_index=file)
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
            self._writer = pq.ParquetWriter(self._file, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """The last file is whole."""
        if self._writer is not None:
            self._writer.close()
            self._file.close()


class Reels:
    """Video files of one camera, the next of which begins when one is large enough.

    Args:
        root: of the dataset.
        key: the camera's feature.
        fps: images per second.
    """

    def __init__(self, root: Path, key: str, fps: int) -> None:
        self._root, self._key, self._fps, self._number = root, key, fps, -1
        self._reel: Reel | None = None

    def add(self, video: Path) -> dict[str, Any]:
        """Takes an episode's video; where it is, as `meta/episodes` tells."""
        if self._reel is None or self._reel.bytes + video.stat().st_size > VIDEO_MB << 20:
            self.close()
            self._number += 1
            chunk, file = divmod(self._number, CHUNK)
            path = self._root / VIDEOS.format(video_key=self._key, chunk_index=chunk, file_index=file)
            self._reel = Reel(path, self._fps)
        begin_s, end_s = self._reel.add(video)
        where = zip(("chunk_index", "file_index", "from_timestamp", "to_timestamp"), (*divmod(self._number, CHUNK), begin_s, end_s), strict=True)
        return {f"videos/{self._key}/{name}": value for name, value in where}

    def close(self) -> None:
        """The last file is whole."""
        if self._reel is not None:
            self._reel.close()


def write_tasks(path: Path, tasks: Mapping[str, int]) -> None:
    """As pandas writes a frame whose index is the texts, which LeRobot reads it with."""
    told = [("task_index", "int64", "int64"), ("task", "unicode", "object")]
    about = [{"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None} for name, kind, numpy in told]
    note = json.dumps({"index_columns": ["task"], "column_indexes": [], "columns": about, "pandas_version": "2.0.0"})
    table = pa.table({"task_index": pa.array(tasks.values(), pa.int64()), "task": pa.array(tasks, pa.string())})
    pq.write_table(table.replace_schema_metadata({"pandas": note}), path)
