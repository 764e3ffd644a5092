"""Reading recordings: rosbag2 folders, single .mcap and .db3 files, whole or cut short, ours or made by the stock `ros2 bag`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from heron_bag.definitions import require
from heron_bag.errors import BagError
from heron_core.settings import parse_yaml

Message = tuple[str, str, int, memoryview]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic of a recording.

    Attributes:
        ros_type: e.g. sensor_msgs/msg/Imu.
        count: messages.
        encoding, definition: as in the recording, e.g. ros2msg and its text; empty where it holds none (db3).
    """

    ros_type: str
    count: int
    encoding: str = ""
    definition: str = ""


class Bag(ABC):
    """An open recording; use as a context manager.

    Attributes:
        path: what was opened.
        topics: name → `TopicInfo`, sorted by name.
        start_ns, end_ns: log time of the first and the last message; 0 without messages.
        attachments: name → bytes, read when asked for.
        warnings: what is lost or wrong, in words; reading may add to it.
    """

    path: Path
    topics: dict[str, TopicInfo]
    start_ns: int
    end_ns: int
    attachments: Mapping[str, bytes]
    warnings: list[str]
    _store: Typestore | None = None

    @abstractmethod
    def messages(self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None) -> Iterator[Message]:
        """(topic, ros_type, log_ns, raw CDR) in order of log time, ties in order of the file; `start_ns` <= log_ns < `stop_ns`.

        The raw bytes are a read-only view into the chunk they came in: nothing is copied, and keeping one keeps its chunk.

        Raises:
            BagError: a topic that the recording does not have.
        """

    @abstractmethod
    def log_times(self, topic: str) -> NDArray[np.int64]:
        """Sorted log times of a topic, (count,) int64."""

    @property
    @abstractmethod
    def corrupt_chunks(self) -> int:
        """Chunks found corrupt, and skipped, so far."""

    @abstractmethod
    def close(self) -> None:
        """Closes the files; payloads already handed out stay valid."""

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(self, ros_type: str, raw: bytes | memoryview) -> Any:
        """The rosbags dataclass of a message; its arrays are read-only views into `raw`.

        Raises:
            BagError: no definition of the type, or bytes that do not fit it.
        """
        store = self._knowing(ros_type)
        try:
            return store.deserialize_cdr(memoryview(raw), ros_type)
        except Exception as error:  # rosbags raises many kinds on bytes that do not fit
            raise BagError(f"{self.path}: a message of type {ros_type} cannot be decoded: {error}") from error

    def fields(self, ros_type: str) -> list[tuple[str, Any]]:
        """(name, rosbags' node) of each field of a type, in order; as in the recording, or as installed where it holds no definition."""
        found: list[tuple[str, Any]] = self._knowing(ros_type).fielddefs[ros_type][1]
        return found

    def _knowing(self, ros_type: str) -> Typestore:
        """The types of the recording, this one among them."""
        store = self._store or self._types()
        if ros_type not in store.types:
            store.register({name: fields for name, fields in require(ros_type).fielddefs.items() if name not in store.types})
        return store

    def _types(self) -> Typestore:
        told = [(topic, info) for topic, info in self.topics.items() if info.encoding in _PARSERS and info.definition]
        store, faults = _parsed(tuple(dict.fromkeys((info.ros_type, info.encoding, info.definition) for _, info in told)))
        for topic, info in told:
            fault = faults.get((info.ros_type, info.definition))
            if fault:
                self.warnings.append(f"{topic}: its definition of {info.ros_type} cannot be parsed ({fault}); the installed one is used")
        self._store = store
        return store

    def _check_topics(self, topics: Collection[str] | None) -> set[str]:
        if topics is None:
            return set(self.topics)
        unknown = sorted(set(topics) - set(self.topics))
        if unknown:
            raise BagError(f"{self.path}: has no topic {', '.join(unknown)} (it has {', '.join(self.topics) or 'none'})")
        return set(topics)


_PARSERS = ("ros2msg", "ros2idl")


@lru_cache(maxsize=8)
def _parsed(told: tuple[tuple[str, str, str], ...]) -> tuple[Typestore, dict[tuple[str, str], str]]:
    """The types of (name, encoding, definition), and what is wrong with those that cannot be parsed; parsing takes as long as reading seconds."""
    store, faults = get_typestore(Stores.EMPTY), {}
    for ros_type, encoding, definition in told:
        try:
            found = get_types_from_msg(definition, ros_type) if encoding == "ros2msg" else get_types_from_idl(definition)
            store.register({name: _spelt(name, fields) for name, fields in found.items() if name not in store.types})
        except Exception as error:  # the parser raises many kinds; the library's definition serves then
            faults[ros_type, definition] = str(error)
    return store, faults


def _spelt(ros_type: str, told: Any) -> Any:
    """A recorded definition, or the installed one where only the case of names differs: bags that were ROS 1's have CameraInfo's K, D, R, P."""
    if all(name.islower() for name, _ in told[1]):
        return told
    try:
        known = require(ros_type).fielddefs[ros_type]
    except BagError:
        return told
    same = [(name.lower(), kind) for name, kind in told[1]] == [(name.lower(), kind) for name, kind in known[1]]
    return known if same else told


def telling(bag: Bag, items: Iterable[T], say: Callable[[str], None]) -> Iterator[T]:
    """Passes `items` on, which are read from `bag`, and says each of its warnings when it comes up: some damage is only found by reading."""
    said = 0
    for item in items:
        for text in bag.warnings[said:]:
            say(text)
        said = len(bag.warnings)
        yield item
    for text in bag.warnings[said:]:
        say(text)


def open_bag(path: Path | str) -> Bag:
    """Opens a recording: a folder with metadata.yaml (or just with .mcap files), or a single .mcap or .db3 file.

    Raises:
        BagError: it does not exist or cannot be read; the text says why.
    """
    from heron_bag.mcap_bag import McapBag
    from heron_bag.rosbags_bag import RosbagsBag

    path = Path(path)
    if not path.exists():
        raise BagError(f"{path}: no such recording")
    if path.is_file():
        if path.suffix == ".db3":
            return RosbagsBag(path)
        if path.suffix == ".mcap":
            return McapBag(path, [path])
        raise BagError(f"{path}: not a recording; expected a folder, a .mcap or a .db3 file")
    return _open_folder(path, RosbagsBag, McapBag)


def _open_folder(path: Path, rosbags_bag: type[Any], mcap_bag: type[Any]) -> Bag:
    metadata = path / "metadata.yaml"
    if not metadata.is_file():
        files = sorted(path.glob("*.mcap"))
        if not files:
            raise BagError(f"{path}: holds neither metadata.yaml nor .mcap files, so it is not a recording")
        bag: Bag = mcap_bag(path, files)
        bag.warnings.insert(0, f"{path.name}: no metadata.yaml (recording was killed?); all {len(files)} .mcap files of the folder are read")
        return bag
    try:
        information = parse_yaml(metadata.read_text(encoding="utf-8"))["rosbag2_bagfile_information"]
        storage, names = information["storage_identifier"], information["relative_file_paths"]
        compressed = (information.get("compression_mode") or "none").lower() != "none"
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise BagError(f"{metadata}: not the metadata of a rosbag2 recording ({why}); without it the .mcap files open by themselves") from error
    if storage != "mcap" or compressed:
        return rosbags_bag(path)  # type: ignore[no-any-return]
    files = [path / Path(name).name for name in names]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise BagError(f"{path}: {', '.join(missing)} of metadata.yaml is missing")
    return mcap_bag(path, files)  # type: ignore[no-any-return]
