"""Message definitions: ROS 2 Jazzy's own, and those of packages on AMENT_PREFIX_PATH or beside this one in the source tree."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from heron_bag.errors import BagError

_PRIMITIVES = frozenset(
    ["bool", "byte", "char", "float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "string", "wstring"]
)


@functools.cache
def library() -> Typestore:
    """The type store that all definitions found outside of bags end up in."""
    return get_typestore(Stores.ROS2_JAZZY)


def require(ros_type: str) -> Typestore:
    """The library, holding `ros_type` (e.g. heron_msgs/msg/CanBatch) and all that it is made of.

    Raises:
        BagError: no definition of the type was found.
    """
    store = library()
    _register(ros_type, store)
    return store


def schema_text(ros_type: str) -> str:
    """The definition of `ros_type` with those of its parts behind it, as rosbag2 writes it into mcap (`ros2msg`)."""
    return require(ros_type).generate_msgdef(ros_type, ros_version=2)[0]


def type_hash(ros_type: str) -> str:
    """The RIHS01 hash of `ros_type`, as `metadata.yaml` carries it."""
    return require(ros_type).hash_rihs01(ros_type)


def _register(ros_type: str, store: Typestore) -> None:
    if ros_type in store.types:
        return
    text = _find(ros_type)
    package = ros_type.split("/", maxsplit=1)[0]
    for part in _parts(text, package):
        _register(part, store)
    store.register(get_types_from_msg(text, ros_type))


def _parts(text: str, package: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split("#", maxsplit=1)[0].split()
        if len(words) < 2:
            continue
        name = re.sub(r"(<=\d+)?(\[.*\])?$", "", words[0])
        if name in _PRIMITIVES:
            continue
        if name == "Header":
            yield "std_msgs/msg/Header"
        elif "/" in name:
            pieces = name.split("/")
            yield f"{pieces[0]}/msg/{pieces[-1]}"
        else:
            yield f"{package}/msg/{name}"


def _find(ros_type: str) -> str:
    try:
        package, _, name = ros_type.split("/")
    except ValueError:
        raise BagError(f"{ros_type!r} is not a message type such as sensor_msgs/msg/Imu") from None
    for folder in _folders(package):
        file = folder / "msg" / f"{name}.msg"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise BagError(
        f"no definition of {ros_type}: it is neither in the bag, nor part of ROS 2 Jazzy, nor in share/{package}/msg of a prefix on "
        "AMENT_PREFIX_PATH; source the workspace that defines it"
    )


def _folders(package: str) -> Iterator[Path]:
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / package
    for above in Path(__file__).resolve().parents:
        yield above / package  # source tree
        yield above / "interfaces" / package
        yield above / package / "share" / package  # install space without merging
