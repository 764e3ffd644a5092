"""Our bits against cantools', an independent implementation, for every signal of every DBC at hand."""

import math
from pathlib import Path

import cantools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_can.codec import MessageCodec

CONFIG = Path(__file__).resolve().parents[3] / "config/vehicle"
FLOATS_AND_MOTOROLA = """VERSION ""
BU_: A
BO_ 100 ODD: 8 A
 SG_ MODE M : 3|3@0+ (1,0) [0|0] "" A
 SG_ REAL m1 : 32|32@1- (2,1) [0|0] "" A
 SG_ ACROSS : 12|13@0- (0.25,-3) [0|0] "" A
 SG_ ACROSS_LITTLE m2 : 29|17@1- (1,0) [0|0] "" A
BO_ 2147483748 LONG: 24 A
 SG_ FAR : 167|24@0+ (1,0) [0|0] "" A
 SG_ DOUBLE : 0|64@1- (1,0) [0|0] "" A
SIG_VALTYPE_ 100 REAL : 1 ;
SIG_VALTYPE_ 2147483748 DOUBLE : 2 ;
"""


def _messages():
    databases = [cantools.database.load_file(path) for path in sorted(CONFIG.glob("*/*.dbc"))]
    databases.append(cantools.database.load_string(FLOATS_AND_MOTOROLA, "dbc"))
    return [pytest.param(message, id=message.name) for database in databases for message in database.messages]


@pytest.mark.parametrize("message", _messages())
def test_decodes_as_cantools(message):
    codec = MessageCodec(message)

    @given(st.binary(min_size=message.length, max_size=message.length))
    def check(data):
        try:
            expected = message.decode(data, decode_choices=False, allow_truncated=False)
        except cantools.database.errors.DecodeError:  # a selector value that no signal has
            return
        for name, value in expected.items():
            ours = codec.signals[name].value(data)
            assert ours == value or (math.isnan(ours) and math.isnan(value)), name

    check()


@pytest.mark.parametrize("message", _messages())
def test_encodes_as_cantools(message):
    codec = MessageCodec(message)
    plain = [signal for signal in message.signals if signal.multiplexer_ids is None and not signal.is_multiplexer and not signal.is_float]
    low_high = {
        signal.name: ((-(1 << signal.length - 1), (1 << signal.length - 1) - 1) if signal.is_signed else (0, (1 << signal.length) - 1))
        for signal in plain
    }

    @given(st.fixed_dictionaries({name: st.integers(*ends) for name, ends in low_high.items()}))
    def check(raws):
        values = {name: raw * codec.signals[name].scale + codec.signals[name].offset for name, raw in raws.items()}
        inside = {name: value for name, value in values.items() if _allowed(codec.signals[name], value)}
        data = bytes(codec.encode(inside))
        for name in inside:
            assert codec.signals[name].raw(data) == raws[name]
        if message.is_multiplexed() or len(inside) < len(message.signals):
            return
        assert data == message.encode(raws, scaling=False)

    check()


def _allowed(signal, value):
    return (signal.minimum is None or value >= signal.minimum) and (signal.maximum is None or value <= signal.maximum)


@pytest.mark.parametrize("value", [541.0, -541.0, 1e9, math.nan, math.inf])
def test_refuses_rather_than_wraps(demo, value):
    with pytest.raises(ValueError, match="WHEEL_ANGLE_REQUEST"):
        demo.messages["vehicle", "STEER_CMD"].encode({"WHEEL_ANGLE_REQUEST": value})


def test_bits_without_dbc_limits_still_refuse():
    message = next(m for m in cantools.database.load_string(FLOATS_AND_MOTOROLA, "dbc").messages if m.name == "ODD")
    codec = MessageCodec(message)
    assert codec.signals["ACROSS"].value(bytes(codec.encode({"ACROSS": -1027.0}))) == -1027.0
    with pytest.raises(ValueError, match="its 13 bits hold"):
        codec.encode({"ACROSS": 1021.0})
