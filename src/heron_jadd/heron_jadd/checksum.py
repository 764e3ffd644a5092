"""CRC-32 of stored files, as zip, PNG and zlib have it. ISA-L takes a fifth of zlib's time for it, and has wheels for x86 only."""

from __future__ import annotations

try:
    from isal.isal_zlib import crc32
except ImportError:  # the same numbers, later
    from zlib import crc32

__all__ = ["crc32"]
