"""Checksum vectors of profile 11 (data id 0x123) on which independent public implementations agree; the AUTOSAR document itself was not read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_can.checksum import DataIdMode, crc8, e2e_p11_crc, e2e_p11_seed, toyota_checksum


@pytest.mark.parametrize(
    ("mode", "crc_byte", "expected"),
    [
        (DataIdMode.BOTH, 0, "cc 00 00 00 00 00 00 00"),
        (DataIdMode.BOTH, 0, "91 01 00 00 00 00 00 00"),
        (DataIdMode.NIBBLE, 0, "2a 10 00 00 00 00 00 00"),
        (DataIdMode.NIBBLE, 0, "77 11 00 00 00 00 00 00"),
        (DataIdMode.NIBBLE, 8, "00 00 00 00 00 00 00 00 7d 10 00 00 00 00 00 00"),
        (DataIdMode.BOTH, 8, "00 00 00 00 00 00 00 00 a5 11 00 00 00 00 00 00"),
    ],
)
def test_autosar_examples(mode, crc_byte, expected):
    data = bytes.fromhex(expected)
    assert e2e_p11_crc(data, crc_byte, e2e_p11_seed(0x123, mode)) == data[crc_byte]


def test_sae_j1850_check_value():
    assert crc8(b"123456789", 0xFF) ^ 0xFF == 0x4B


def test_toyota_example_by_hand():
    # id 0x2E4: 0xE4 + 0x02 + length 5 + data 0x80 + 0x12 = 0x17D -> 0x7D
    assert toyota_checksum(0x2E4, bytes([0x80, 0x12, 0x00, 0x00, 0xAB]), 4) == 0x7D


@given(st.binary(min_size=8, max_size=8), st.integers(0, 63))
def test_crc_sees_every_single_bit_error(data, bit):
    broken = bytearray(data)
    broken[bit // 8] ^= 1 << bit % 8
    seed = e2e_p11_seed(0x1A0, DataIdMode.BOTH)
    changed = e2e_p11_crc(bytes(broken), 0, seed) != e2e_p11_crc(data, 0, seed)
    assert changed is (bit >= 8)  # the CRC's own byte is not in the CRC


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_data_id_is_in_the_crc(first, second):
    assert (e2e_p11_seed(first, DataIdMode.BOTH) == e2e_p11_seed(second, DataIdMode.BOTH)) is (
        crc8(bytes((first & 255, first >> 8))) == crc8(bytes((second & 255, second >> 8)))
    )
    assert e2e_p11_seed(0x123, DataIdMode.BOTH) != e2e_p11_seed(0x124, DataIdMode.BOTH)
