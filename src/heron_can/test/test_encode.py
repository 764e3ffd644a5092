import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_can.encode import Command, CommandDecoder, CommandEncoder, CommandError
from heron_core.canbus import FLAG_TX

_commands = st.builds(
    Command,
    steer_rad=st.floats(-0.62, 0.62),
    accel_mps2=st.floats(-10, 5),
    steer_request=st.booleans(),
    accel_request=st.booleans(),
    standstill=st.booleans(),
)


@given(st.lists(_commands, min_size=1, max_size=20))
def test_what_is_sent_reads_back(demo, commands):
    encoder, decoder = CommandEncoder(demo), CommandDecoder(demo)
    for n, command in enumerate(commands):
        steer, accel = encoder.encode(command, 1000 + n)
        read = {sent.name: decoder.decode(sent.bus, sent.frame) for sent in (steer, accel)}
        for name, value in (("steer", command.steer_rad), ("accel", command.accel_mps2)):
            assert abs(read[name].value - value) <= demo.commands[name].raster[0] / 2 * (1 + 1e-9)
        assert read["steer"].request is command.steer_request and read["accel"].request is command.accel_request
        assert read["accel"].standstill is command.standstill
        assert read["steer"].counter == n % 15 and read["accel"].counter == n % 16
        assert steer.frame.flags & FLAG_TX and steer.frame.stamp_ns == 1000 + n
        assert (steer.bus, steer.frame.id, len(steer.frame.data)) in decoder.whitelist


def test_steering_left_is_an_anticlockwise_wheel(demo):
    (steer, _) = CommandEncoder(demo).encode(Command(math.radians(1.0), 0.0, True, True), 0)
    assert demo.messages["vehicle", "STEER_CMD"].signals["WHEEL_ANGLE_REQUEST"].value(steer.frame.data) == -15.0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Command(0.7, 0.0, True, True), "steer command 0.7"),
        (Command(math.nan, 0.0, True, True), "must be finite"),
        (Command(0.0, -math.inf, True, True), "accel command -inf"),
        (Command(0.0, 6.0, True, True), "allowed -10.0 .. 5.0"),
        (Command(1e30, 0.0, True, True), "WHEEL_ANGLE_REQUEST"),
    ],
)
def test_beyond_the_message_is_an_error_and_no_counter_moves(demo, command, words):
    encoder, decoder = CommandEncoder(demo), CommandDecoder(demo)
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        encoder.encode(command, 0)
    sent = encoder.encode(Command(0.0, 0.0, False, False), 0)
    assert [decoder.decode(frame.bus, frame.frame).counter for frame in sent] == [0, 0]


def test_decoder_refuses_what_is_no_command(demo):
    decoder = CommandDecoder(demo)
    (steer, accel) = CommandEncoder(demo).encode(Command(0.1, 0.0, True, True), 0)
    for sent in (steer, accel):
        for bit in range(64):
            data = bytearray(sent.frame.data)
            data[bit // 8] ^= 1 << bit % 8
            with pytest.raises(CommandError, match="wrong checksum"):
                decoder.decode(sent.bus, sent.frame._replace(data=bytes(data)))
    with pytest.raises(CommandError, match="no command of this car"):
        decoder.decode("vehicle", steer.frame._replace(id=0x2E1))
    with pytest.raises(CommandError, match="no command of this car"):
        decoder.decode("other", steer.frame)
    with pytest.raises(CommandError, match="7 bytes, expected 8"):
        decoder.decode("vehicle", steer.frame._replace(data=steer.frame.data[:7]))
