"""Signals of whole buses, against cantools frame by frame."""

import math
import time
from pathlib import Path

import cantools.database
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_core.canbus import FLAG_ERROR, FLAG_EXTENDED, FLAG_FD, FLAG_REMOTE, FLAG_TX, CanBatch
from heron_core.errors import InputError
from heron_jadd.can_signals import SCHEMA, BusDecoder, bus_decoders, joined

VEHICLE = Path(__file__).parents[3] / "config" / "vehicle"
MULTIPLEXED = """VERSION ""
BO_ 291 PAGES: 8 A
 SG_ PAGE M : 0|4@1+ (1,0) [0|15] "" A
 SG_ LAST : 56|8@1- (1,0) [0|0] "" A
 SG_ ONE m1 : 8|12@1- (0.5,-3) [0|0] "" A
 SG_ SUB m2M : 8|3@1+ (1,0) [0|7] "" A
 SG_ INNER m0 : 23|16@0- (0.01,0) [0|0] "" A
 SG_ BOTH m3 : 39|10@0+ (1,0) [0|0] "" A

BO_ 292 SERIAL: 64 A
 SG_ WIDE : 3|100@1+ (1,0) [0|0] "" A
 SG_ REAL : 455|64@0- (1,0) [0|0] "" A

SIG_VALTYPE_ 292 REAL : 2;
SG_MUL_VAL_ 291 ONE PAGE 1-1, 5-6;
SG_MUL_VAL_ 291 SUB PAGE 2-2;
SG_MUL_VAL_ 291 INNER SUB 0-1, 4-4;
SG_MUL_VAL_ 291 BOTH SUB 3-4;
"""


def batch(frames, bus="b"):
    """`frames`: (stamp_ns, id, flags, payload)."""
    stamps, ids, flags, payloads = zip(*frames, strict=True) if frames else ((), (), (), ())
    lengths = np.array([len(payload) for payload in payloads], np.uint8)
    data = np.frombuffer(b"".join(payloads), np.uint8)
    return CanBatch(bus, np.array(stamps, np.int64), np.array(ids, np.uint32), np.array(flags, np.uint8), lengths, data)


def rows(decoded, *columns):
    return list(zip(*(decoded.table[name].to_pylist() for name in columns), strict=True))


@st.composite
def dbc_messages(draw):
    """(text of a DBC with one message, its length): blocks of bytes of either byte order, filled with signals of all kinds."""
    length = draw(st.sampled_from([1, 2, 3, 5, 7, 8, 12, 16, 24, 48, 64]))
    lines, kinds, byte = [], [], 0
    while byte < length and len(lines) < 12:
        size = min(draw(st.integers(1, 9)), length - byte)
        little, bit = draw(st.booleans()), 0
        while bit < 8 * size and len(lines) < 12:
            bit += draw(st.integers(0, 5))
            width = min(draw(st.sampled_from([1, 2, 7, 8, 11, 16, 31, 32, 32, 53, 63, 64, 64])), 8 * size - bit)
            if width <= 0:
                break
            start = 8 * byte + (bit if little else 8 * (bit // 8) + 7 - bit % 8)
            signed, scale = draw(st.booleans()), draw(st.sampled_from(["1", "0.1", "-0.03", "2.5", "1E-07"]))
            offset = draw(st.sampled_from(["0", "-40", "0.125"]))
            name = f"S{len(lines)}"
            lines.append(f' SG_ {name} : {start}|{width}@{int(little)}{"-" if signed else "+"} ({scale},{offset}) [0|0] "" A')
            if width in (32, 64) and draw(st.booleans()):
                kinds.append(f"SIG_VALTYPE_ 256 {name} : {width // 32};")
            bit += width
        byte += size
    order = draw(st.permutations(lines))
    return "\n".join(['VERSION ""', f"BO_ 256 MESSAGE: {length} A", *order, "", *kinds, ""]), length


def same(ours, theirs):
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=4e-16)


@settings(max_examples=80, deadline=None)
@given(dbc_messages(), st.data())
def test_every_signal_is_what_cantools_says(written, data):
    text, length = written
    payloads = data.draw(st.lists(st.binary(min_size=length, max_size=length), min_size=1, max_size=5))
    message = cantools.database.load_string(text, "dbc").messages[0]  # it decodes only what it has sorted
    order = [line.split()[1] for line in text.splitlines() if line.startswith(" SG_")]
    found = BusDecoder("b", {"x.dbc": text.encode()}).decode(batch([(k, 256, FLAG_FD, payload) for k, payload in enumerate(payloads)]))
    wanted = [(k, name, float(message.decode(payload)[name])) for k, payload in enumerate(payloads) for name in order]
    assert not found.counts
    for (stamp_ns, name, value), (k, signal, theirs) in zip(rows(found, "stamp_ns", "signal", "value"), wanted, strict=True):
        assert (stamp_ns, name) == (k, signal)
        assert same(value, theirs), (text, payloads[k].hex())


@settings(max_examples=80, deadline=None)
@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=20))
def test_multiplexed_signals_are_there_when_cantools_says_so(payloads):
    message = cantools.database.load_string(MULTIPLEXED, "dbc").get_message_by_name("PAGES")
    order = [line.split()[1] for line in MULTIPLEXED.splitlines() if line.startswith(" SG_")]
    found = BusDecoder("b", {"x.dbc": MULTIPLEXED.encode()}).decode(batch([(k, 291, 0, payload) for k, payload in enumerate(payloads)]))
    ours = {}
    for k, name, value in rows(found, "stamp_ns", "signal", "value"):
        ours.setdefault(k, {})[name] = value
    refused = 0
    for k, payload in enumerate(payloads):
        try:
            wanted = message.decode(payload)
        except cantools.database.DecodeError:  # a page that nobody defines; cantools then gives nothing at all
            refused += 1
            assert {"PAGE", "LAST"} <= ours[k].keys() <= {"PAGE", "LAST", "SUB"}
        else:
            assert ours[k] == wanted
            assert list(ours[k]) == [name for name in order if name in wanted]
    assert sum(found.counts.values()) == refused
    assert set(found.counts) <= {"unknown multiplexer value PAGES.PAGE", "unknown multiplexer value PAGES.SUB"}


def test_wide_and_real_signals_of_can_fd():
    payload = np.random.default_rng(1).bytes(56) + np.array([math.nan], ">f8").tobytes()
    found = BusDecoder("b", {"x.dbc": MULTIPLEXED.encode()}).decode(batch([(0, 292, FLAG_FD, payload)]))
    (_, wide), (_, real) = rows(found, "signal", "value")
    assert wide == float(int.from_bytes(payload, "little") >> 3 & (1 << 100) - 1)
    assert math.isnan(real)  # what the bus said, not a missing value
    assert found.table["value"].null_count == 0


def test_what_is_not_decoded_is_counted_by_name():
    decoder = bus_decoders({f"vehicle/{name}": (VEHICLE / "demo" / name).read_bytes() for name in ("can.yaml", "demo.dbc")})["vehicle"]
    right = bytes(range(8))
    frames = [(1, 192, 0, right), (2, 192, FLAG_TX, right), (3, 192, 0, right[:7]), (4, 192, 0, right + b"\xff"), (5, 192, FLAG_EXTENDED, right)]
    frames += [(6, 0x7FF, 0, b""), (7, 192, FLAG_ERROR, right), (8, 192, FLAG_REMOTE, right), (9, 0x7FF, FLAG_ERROR | FLAG_REMOTE, b"")]
    found = decoder.decode(batch(frames))
    assert dict(found.counts) == {
        **{"too short STEERING": 1, "too long STEERING": 1, "unknown id 0x000000c0 (extended)": 1, "unknown id 0x7ff": 1},
        **{"error frame": 2, "remote frame": 1},
    }
    signals = [(1, False), (2, True), (4, False)]
    names = ("CRC", "COUNTER", "WHEEL_ANGLE", "WHEEL_ANGLE_RATE")
    assert rows(found, "stamp_ns", "sent", "signal") == [(stamp, sent, name) for stamp, sent in signals for name in names]
    assert set(rows(found, "bus", "message")) == {("vehicle", "STEERING")}
    assert rows(found, "value")[2] == (0x0302 * 0.1,)


def test_rows_are_sorted_by_stamp_then_message_then_the_dbcs_order():
    dbc = 'VERSION ""\n' + "".join(
        f'BO_ {i} {n}: 1 A\n SG_ Z : 4|4@1+ (1,0) [0|0] "" A\n SG_ Y : 0|4@1+ (1,0) [0|0] "" A\n\n' for i, n in ((1, "N"), (2, "M"))
    )
    found = BusDecoder("b", {"x.dbc": dbc.encode()}).decode(
        batch([(9, 1, 0, b"\x12"), (5, 1, 0, b"\x34"), (5, 2, 0, b"\x56"), (5, 1, FLAG_TX, b"\x78")])
    )
    wanted = [(5, "M", "Z", 5.0, False), (5, "M", "Y", 6.0, False), (5, "N", "Z", 3.0, False), (5, "N", "Y", 4.0, False)]
    wanted += [(5, "N", "Z", 7.0, True), (5, "N", "Y", 8.0, True), (9, "N", "Z", 1.0, False), (9, "N", "Y", 2.0, False)]
    assert rows(found, "stamp_ns", "message", "signal", "value", "sent") == wanted


def test_no_frames_are_an_empty_table():
    found = BusDecoder("b", {"x.dbc": MULTIPLEXED.encode()}).decode(batch([]))
    assert found.table.schema == SCHEMA
    assert found.table.num_rows == 0
    assert not found.counts


def test_a_dbc_that_lacks_a_wanted_signal_is_named():
    files = {f"vehicle/{name}": (VEHICLE / "demo" / name).read_bytes() for name in ("can.yaml", "demo.dbc")}
    lacking = {**files, "vehicle/demo.dbc": files["vehicle/demo.dbc"].replace(b" WHEEL_ANGLE ", b" WHEEL_ANGEL ")}
    with pytest.raises(InputError, match=r"vehicle/demo\.dbc: message STEERING of bus vehicle has no signal WHEEL_ANGLE; nearest: WHEEL_ANGEL"):
        bus_decoders(lacking)
    with pytest.raises(InputError, match=r"vehicle/demo\.dbc: bus vehicle has no message STEERNG with the signal WHEEL_ANGLE; nearest: STEERING"):
        bus_decoders(files)["vehicle"].require([("STEERNG", "WHEEL_ANGLE")])
    with pytest.raises(InputError, match=r"does not carry vehicle/demo\.dbc"):
        bus_decoders({"vehicle/can.yaml": files["vehicle/can.yaml"]})
    with pytest.raises(InputError, match=r"vehicle/demo\.dbc: not a valid DBC file"):
        bus_decoders({**files, "vehicle/demo.dbc": b"BO_ nonsense"})
    with pytest.raises(InputError, match=r"vehicle/can\.yaml .* unknown key 'busses'"):
        bus_decoders({"vehicle/can.yaml": b"busses: {}"})
    assert bus_decoders({"vehicle/rig.yaml": b""}) == {}


def test_a_message_that_two_files_define_is_refused():
    with pytest.raises(InputError, match=r"two\.dbc: message PAGES \(0x123\) of bus b stands in one\.dbc"):
        BusDecoder("b", {"one.dbc": MULTIPLEXED.encode(), "two.dbc": MULTIPLEXED.encode()})


def test_batches_are_joined_in_the_order_they_come_in():
    both = joined([batch([(1, 291, 0, b"\x01")]), batch([(2, 292, FLAG_TX, b"\x02\x03")])])
    assert (both.stamp_ns.tolist(), both.ids.tolist(), both.length.tolist(), both.data.tolist()) == ([1, 2], [291, 292], [1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="one bus"):
        joined([batch([], "a"), batch([], "b")])


def test_a_scene_of_a_busy_bus_costs_little():
    decoder = BusDecoder("vehicle", {"demo.dbc": (VEHICLE / "demo" / "demo.dbc").read_bytes()})
    ids = np.resize(np.array([160, 176, 192, 208, 224, 288, 736, 752], np.uint32), 2258 * 28)
    stamps, zeros = np.arange(len(ids), dtype=np.int64), np.zeros(len(ids), np.uint8)
    frames = CanBatch("vehicle", stamps, ids, zeros, zeros + 8, np.random.default_rng(2).integers(0, 256, 8 * len(ids)).astype(np.uint8))
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        assert decoder.decode(frames).table.num_rows > 4 * len(ids)
        seconds.append(time.process_time() - begin)
    assert min(seconds) < 0.2  # measured: 0.02
