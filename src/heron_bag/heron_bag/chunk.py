"""A chunk being filled: its records, index and checksum, without copying a payload."""

from __future__ import annotations

import struct
import zlib

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, McapRecord, Schema

_MESSAGE = struct.Struct("<BQHIQQ")
_HEAD = struct.Struct("<BQ")


def record_bytes(*records: McapRecord) -> bytes:
    """The records as they stand in a file."""
    builder = RecordBuilder()
    for record in records:
        record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]


class Chunk:
    """Records gathered for one chunk.

    Attributes:
        size: bytes of its records. counts: channel → messages. start_ns, end_ns: log times, 0 while empty.
    """

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = []
        self._index: dict[int, list[int]] = {}
        self._crc = 0
        self.size = 0
        self.start_ns = 0
        self.end_ns = 0

    @property
    def counts(self) -> dict[int, int]:
        """Messages per channel."""
        return {channel: len(entries) // 2 for channel, entries in self._index.items()}

    def define(self, record: Schema | Channel) -> None:
        """Adds a schema or channel record."""
        self._append(record_bytes(record))

    def add(self, channel: int, sequence: int, log_ns: int, raw: bytes | memoryview) -> None:
        """Adds a message; `raw` is kept, not copied, so it must not change."""
        if not self._index:
            self.start_ns = self.end_ns = log_ns
        self.start_ns, self.end_ns = min(self.start_ns, log_ns), max(self.end_ns, log_ns)
        self._index.setdefault(channel, []).extend((log_ns, self.size))
        self._append(_MESSAGE.pack(Opcode.MESSAGE, 22 + len(raw), channel, sequence & 0xFFFFFFFF, log_ns, log_ns))
        self._append(raw)

    def _append(self, part: bytes | memoryview) -> None:
        self._parts.append(part)
        self._crc = zlib.crc32(part, self._crc)
        self.size += len(part)

    def finish(self, offset: int) -> tuple[list[bytes | memoryview], ChunkIndex]:
        """The bytes of the chunk and its message indexes for a file position, and its entry for the summary."""
        body = 8 + 8 + 8 + 4 + 4 + 8 + self.size
        head = _HEAD.pack(Opcode.CHUNK, body) + struct.pack("<QQQIIQ", self.start_ns, self.end_ns, self.size, self._crc, 0, self.size)
        parts = [head, *self._parts]
        position = offset + _HEAD.size + body
        chunk_end = position
        offsets = {}
        for channel, entries in self._index.items():
            offsets[channel] = position
            record = _HEAD.pack(Opcode.MESSAGE_INDEX, 6 + 8 * len(entries)) + struct.pack(f"<HI{len(entries)}Q", channel, 8 * len(entries), *entries)
            parts.append(record)
            position += len(record)
        index = ChunkIndex(
            chunk_length=chunk_end - offset,
            chunk_start_offset=offset,
            compression="",
            compressed_size=self.size,
            message_end_time=self.end_ns,
            message_index_length=position - chunk_end,
            message_index_offsets=offsets,
            message_start_time=self.start_ns,
            uncompressed_size=self.size,
        )
        return parts, index
