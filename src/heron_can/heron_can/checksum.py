"""Checksums of protected CAN messages: AUTOSAR E2E profile 11 and the Toyota style."""

from __future__ import annotations

from enum import Enum

E2E_P11_COUNTER_MODULUS = 15  # 0..14; 15 is never sent (AUTOSAR PRS E2EProtocol, profile 11)
_POLYNOMIAL = 0x1D  # CRC-8 SAE J1850


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc & 0x80 else crc << 1) & 0xFF
        table.append(crc)
    return tuple(table)


_CRC8 = _table()


class DataIdMode(str, Enum):
    """How profile 11 includes the 16-bit data id.

    BOTH (profile 11A): both bytes, low byte first, go into the CRC and neither is sent. NIBBLE (11C): a 12-bit id, whose low byte goes into the CRC
    followed by a zero byte, and whose upper four bits are sent beside the counter, inside the protected data.
    """

    BOTH = "both"
    NIBBLE = "nibble"


def crc8(data: bytes, start: int = 0) -> int:
    """CRC-8 with polynomial 0x1D over `data`, continuing from `start`.

    Profile 11 starts from 0 and inverts nothing; SAE J1850 itself starts from 0xFF and inverts the result.
    """
    crc = start
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def e2e_p11_seed(data_id: int, mode: DataIdMode) -> int:
    """The CRC after the data id, where the CRC over the data continues."""
    high = data_id >> 8 if mode is DataIdMode.BOTH else 0
    return crc8(bytes((data_id & 0xFF, high)))


def e2e_p11_crc(data: bytes, crc_byte: int, seed: int) -> int:
    """CRC of profile 11: over the data id (`seed`), then all of `data` but the CRC's own byte at index `crc_byte`."""
    return crc8(data[:crc_byte] + data[crc_byte + 1 :], seed)


def toyota_checksum(arbitration_id: int, data: bytes, checksum_byte: int) -> int:
    """Low byte of id + (id >> 8) + length + the sum of all bytes but the checksum's own at index `checksum_byte`."""
    return (arbitration_id + (arbitration_id >> 8) + len(data) + sum(data) - data[checksum_byte]) & 0xFF
