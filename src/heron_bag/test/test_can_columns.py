"""The frames of all batches at once are those of the batches one by one."""

import numpy as np
import pytest

from heron_bag.can_columns import can_frames
from heron_bag.errors import BagError
from heron_bag.native import can_batches
from heron_bag.reader import open_bag
from heron_bag.serialise import serialise
from heron_bag.writer import BagWriter
from heron_can.frame import Frame, to_batch

TYPE = "heron_msgs/msg/CanBatch"


def recorded(path, raws):
    with BagWriter(path) as writer:
        writer.add_topic("/can/tap", TYPE)
        for log_ns, raw in enumerate(raws, 1):
            writer.write("/can/tap", log_ns, raw)
    return open_bag(path)


def test_frames_of_all_batches(tmp_path):
    """Of buses whose names are of any length, and of batches that are empty or hold frames without payload."""
    rng, raws = np.random.default_rng(1), []
    for number in range(200):
        frames = [Frame(1000 * number + k, int(rng.integers(0x800)), rng.bytes(int(rng.integers(9)))) for k in range(rng.integers(6))]
        raws.append(serialise(to_batch(("vehicle", "b", "chassis CAN", "Größe")[rng.integers(4)], frames)))
    with recorded(tmp_path / "bag", raws) as bag:
        found = can_frames(bag)
        batches = [batch for _, batch in can_batches(bag)]
    assert list(found) == list(dict.fromkeys(batch.channel for batch in batches))
    assert not all(len(batch) for batch in batches)
    for bus, frames in found.items():
        for name in ("stamp_ns", "ids", "flags", "length", "data"):
            wanted = np.concatenate([getattr(batch, name) for batch in batches if batch.channel == bus])
            assert getattr(frames, name).dtype == wanted.dtype
            assert getattr(frames, name).tolist() == wanted.tolist(), name


def test_damage_is_told(tmp_path):
    whole = bytes(serialise(to_batch("vehicle", [Frame(1, 2, b"abc"), Frame(3, 4, b"")])))
    fewer = bytearray(whole)
    fewer[fewer.rindex(b"\x03\x00")] = 2  # the first frame's length
    for name, raw, why in (
        ("short", whole[:-2], "ends too soon"),
        ("long", whole[:12] + b"\xff\xff\xff\x7f" + whole[16:], "ends too soon"),
        ("big", b"\x00\x00" + whole[2:], "little-endian"),
        ("sum", bytes(fewer), "payload bytes"),
    ):
        with recorded(tmp_path / name, [whole, raw]) as bag, pytest.raises(BagError, match=why):
            can_frames(bag)


def test_a_recording_without_frames_has_no_bus(tmp_path):
    with recorded(tmp_path / "bag", []) as bag:
        assert can_frames(bag) == {}
