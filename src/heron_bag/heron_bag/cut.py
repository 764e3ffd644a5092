"""Cutting: a part of a recording, by time and topics, that still plays from its first message."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from heron_bag.attachments import PROVENANCE, notes_of, provenance
from heron_bag.errors import BagError
from heron_bag.h264 import is_keyframe
from heron_bag.reader import Bag, Message, open_bag
from heron_bag.serialise import CAMERA_INFO, COMPRESSED_VIDEO
from heron_bag.whole import whole_recording

_WINDOW = 64  # messages looked at in one step backwards for a key frame
_LATCHED = (CAMERA_INFO, "heron_msgs/msg/Instruction")


def cut_recording(
    source: Path,
    out: Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    topics: Collection[str] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, int]:
    """Writes the messages from `start_s` on, for `duration_s`, of the topics that match a pattern (all by default) to `out`.

    H.264 topics begin at the key frame before; of calibration, static transforms and instructions the last message before the cut comes
    along, logged at its start. Attachments are kept, and provenance.json says what was cut from what.

    Args:
        source: a recording.
        out: folder to be made.
        start_s: seconds from the first message of `source`.
        duration_s: seconds from there; to the end by default.
        topics: names or patterns such as /camera/*.
        progress: called with the messages written so far.

    Returns:
        Topic → messages.

    Raises:
        BagError: `source` cannot be read, nothing lies in the range, or `out` exists. BagWriteError: the disk is full.
    """
    with open_bag(source) as bag:
        names = _chosen(bag, topics)
        start_ns = bag.start_ns + round(start_s * 1e9)
        stop_ns = bag.end_ns + 1 if duration_s is None else start_ns + round(duration_s * 1e9)
        length_s = (bag.end_ns - bag.start_ns) / 1e9
        part = f"from {start_s:g} s " + ("to the end" if duration_s is None else f"for {duration_s:g} s")
        if start_s < 0 or stop_ns <= start_ns or start_ns > bag.end_ns:
            raise BagError(f"{source}: is {length_s:.3f} s long; nothing lies {part}")
        with whole_recording(out) as writer:
            for name in bag.attachments:
                if name != PROVENANCE:
                    writer.attach(name, bag.attachments[name])
            for name in names:
                info = bag.topics[name]
                definition = info.definition if info.encoding == "ros2msg" and info.definition else None
                writer.add_topic(name, info.ros_type, latched=_is_latched(name, info.ros_type), definition=definition)
            for done, (topic, _, log_ns, raw) in enumerate(_messages(bag, names, start_ns, stop_ns)):
                writer.write(topic, log_ns, raw)
                progress(done + 1)
            if not any(writer.counts.values()):
                raise BagError(f"{source}: nothing lies {part} in {', '.join(names)}")
            writer.attach(PROVENANCE, _origin(bag, start_ns, stop_ns, names))
            return dict(writer.counts)


def _chosen(bag: Bag, patterns: Collection[str]) -> list[str]:
    if not patterns:
        return list(bag.topics)
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in bag.topics)]
    if idle:
        raise BagError(f"{bag.path}: no topic matches {', '.join(idle)} (it has {', '.join(bag.topics)})")
    return [name for name in bag.topics if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _is_latched(name: str, ros_type: str) -> bool:
    return name == "/tf_static" or ros_type in _LATCHED


def _messages(bag: Bag, names: list[str], start_ns: int, stop_ns: int) -> Iterator[Message]:
    lead_in = []
    for name in names:
        ros_type = bag.topics[name].ros_type
        if _is_latched(name, ros_type):
            lead_in += [(topic, kind, start_ns, raw) for topic, kind, _, raw in _last_before(bag, name, start_ns)]
        elif ros_type == COMPRESSED_VIDEO:
            lead_in += _from_keyframe(bag, name, start_ns)
    yield from sorted(lead_in, key=lambda message: message[2])
    yield from bag.messages(names, start_ns, stop_ns)


def _last_before(bag: Bag, topic: str, start_ns: int) -> list[Message]:
    times = bag.log_times(topic)
    before = times[times < start_ns]
    return list(bag.messages([topic], int(before[-1]), int(before[-1]) + 1))[-1:] if len(before) else []


def _from_keyframe(bag: Bag, topic: str, start_ns: int) -> list[Message]:
    """What has to be decoded before the first frame at or after `start_ns` can be."""
    first = next(bag.messages([topic], start_ns), None)
    if first is None or _is_key(bag, first):
        return []
    before = [int(time_ns) for time_ns in bag.log_times(topic) if time_ns < start_ns]
    found: list[Message] = []
    while before:
        window, before = before[-_WINDOW:], before[:-_WINDOW]
        messages = list(bag.messages([topic], window[0], window[-1] + 1))
        key = next((index for index in range(len(messages) - 1, -1, -1) if _is_key(bag, messages[index])), None)
        found = messages[key or 0 :] + found
        if key is not None:
            break
    return found


def _is_key(bag: Bag, message: Message) -> bool:
    return is_keyframe(bag.decode(message[1], message[3]).data)


def _origin(bag: Bag, start_ns: int, stop_ns: int, names: list[str]) -> bytes:
    note = f"cut from {bag.path.name}: log times {start_ns} … {stop_ns} ns of {len(names)} of its {len(bag.topics)} topics"
    old = bag.attachments.get(PROVENANCE)
    return provenance("cut", [*notes_of(bag.attachments), *bag.warnings, note], {}, origin=json.loads(old) if old else bag.path.name)
