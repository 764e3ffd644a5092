"""One mcap file: where its chunks and attachments lie, and their bytes.

The `mcap` library refuses a file without footer and copies every payload; recordings of a car end with the battery, and hold gigabytes
of images. So the index is taken from the summary or, without one, from a walk over the record headers, and payloads are slices of the
chunk that was read.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import AttachmentIndex, Channel, ChunkIndex, Footer, Schema
from numpy.typing import NDArray

from heron_bag.errors import BagError

MAGIC = b"\x89MCAP0\r\n"
_HEAD = struct.Struct("<BQ")  # opcode, length
_MESSAGE = struct.Struct("<BQHIQQ")  # opcode, length, channel, sequence, log time, publish time
_CHUNK = struct.Struct("<QQQI")  # start, end, uncompressed size, CRC
_INDEX_HEAD = struct.Struct("<BQHI")  # opcode, length, channel, bytes
_LOOSE_RUN_BYTES = 4 << 20
_LARGEST_CHUNK_BYTES = 8 << 30  # no chunk is; a damaged head may say so


@dataclass(slots=True)
class Block:
    """Messages that are read together: a chunk, or a run of messages outside of chunks.

    Attributes:
        offset: of the chunk record, or of the first message record of a run.
        length: bytes up to the end of it.
        is_chunk: False for a run.
        start_ns, end_ns: first and last log time.
        indexes: channel → file offset of its message index record; None where the file has no index of this block.
        counts: channel → messages.
        times: channel → log times; only for runs, and where they had to be read.
    """

    offset: int
    length: int
    is_chunk: bool
    start_ns: int
    end_ns: int
    indexes: dict[int, int] | None = None
    counts: dict[int, int] = field(default_factory=dict)
    times: dict[int, list[int]] = field(default_factory=dict)


class McapFile:
    """An open mcap file.

    Attributes:
        channels: id → channel record. schemas: id → schema record.
        blocks: in file order.
        attachments: name → (offset of the data, bytes).
        warnings: what was lost or is wrong, in words.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.channels: dict[int, Channel] = {}
        self.schemas: dict[int, Schema] = {}
        self.blocks: list[Block] = []
        self.attachments: dict[str, tuple[int, int]] = {}
        self.warnings: list[str] = []
        self.corrupt: set[int] = set()
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BagError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            self.size = os.fstat(self._fd).st_size
            if os.pread(self._fd, len(MAGIC), 0) != MAGIC:
                raise BagError(f"{path}: not an mcap file{' (it is empty)' if not self.size else ''}")
            if not self._read_summary():
                self._walk()
        except (ValueError, struct.error, McapError, OverflowError) as error:  # a record that is not what its head says
            self.close()
            raise BagError(f"{path}: its index is damaged: {error}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file; payloads already handed out stay valid."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise BagError(f"{self.path}: is damaged: {length:,} bytes at {offset:,} are named in a file of {self.size:,}")
        data = os.pread(self._fd, length, offset)
        while len(data) < length:  # one call hands out at most 2 GiB
            more = os.pread(self._fd, length - len(data), offset + len(data))
            if not more:
                raise BagError(f"{self.path}: ends at byte {offset + len(data)}, {length - len(data)} bytes short")
            data += more
        return data

    # -- the index ---------------------------------------------------------------------------------------------------------------------

    def _read_summary(self) -> bool:
        """Fills the index from the summary at the end; False without a (whole) one."""
        tail = _HEAD.size + 20 + len(MAGIC)
        if self.size < 2 * len(MAGIC) + tail or os.pread(self._fd, len(MAGIC), self.size - len(MAGIC)) != MAGIC:
            return False
        raw = self._read(self.size - tail, tail)
        if raw[0] != Opcode.FOOTER:
            return False
        footer = Footer.read(ReadDataStream(BytesIO(raw[_HEAD.size :])))
        end = self.size - tail
        if not 0 < footer.summary_start < end:
            return False
        summary = self._read(footer.summary_start, end - footer.summary_start)
        crc = zlib.crc32(summary + raw[: _HEAD.size + 16])
        if footer.summary_crc and crc != footer.summary_crc:
            self.warnings.append(f"{self.path.name}: the summary at the end is corrupt; read by walking over the file")
            return False
        position = 0
        while position + _HEAD.size <= len(summary):
            opcode, length = _HEAD.unpack_from(summary, position)
            body = summary[position + _HEAD.size : position + _HEAD.size + length]
            position += _HEAD.size + length
            if opcode == Opcode.CHUNK_INDEX:
                self._add_indexed(ChunkIndex.read(ReadDataStream(BytesIO(body))))
            elif opcode == Opcode.ATTACHMENT_INDEX:
                index = AttachmentIndex.read(ReadDataStream(BytesIO(body)))
                self.attachments[index.name] = (index.offset + index.length - 4 - index.data_size, index.data_size)
            else:
                self._definition(opcode, body)
        if not self.blocks or not self.channels:  # nothing in chunks, or a summary without indexes: the file has to be walked over
            self.blocks.clear()
            self.attachments.clear()
            return False
        for block in self.blocks:
            if block.indexes is not None and not block.indexes.keys() <= self.channels.keys():
                self._read_through(block)
        return True

    def _add_indexed(self, index: ChunkIndex) -> None:
        block = Block(index.chunk_start_offset, index.chunk_length, True, index.message_start_time, index.message_end_time)
        if index.message_index_offsets:
            after = index.chunk_start_offset + index.chunk_length + index.message_index_length
            order = sorted((offset, channel) for channel, offset in index.message_index_offsets.items())
            ends = [offset for offset, _ in order[1:]] + [after]
            block.indexes = {channel: offset for offset, channel in order}
            block.counts = {channel: (end - offset - _INDEX_HEAD.size) // 16 for (offset, channel), end in zip(order, ends, strict=True)}
        else:
            self._read_through(block)
        self.blocks.append(block)

    def _definition(self, opcode: int, body: bytes | memoryview) -> None:
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(ReadDataStream(BytesIO(body)))
            self.schemas.setdefault(schema.id, schema)
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(ReadDataStream(BytesIO(body)))
            self.channels.setdefault(channel.id, channel)

    def _walk(self) -> None:
        """Fills the index from the record headers, as far as the file is whole."""
        position, run = len(MAGIC), None
        ended = False
        while position + _HEAD.size <= self.size:
            opcode, length = _HEAD.unpack(self._read(position, _HEAD.size))
            after = position + _HEAD.size + length
            if opcode == 0 or after > self.size:
                break
            if opcode == Opcode.MESSAGE:
                run = self._extend_run(run, position, after)
            elif opcode == Opcode.CHUNK:
                start, end, _, _ = _CHUNK.unpack(self._read(position + _HEAD.size, _CHUNK.size))
                self.blocks.append(Block(position, after - position, True, start, end))
            elif opcode == Opcode.MESSAGE_INDEX and self.blocks and self.blocks[-1].is_chunk:
                self._index_of(self.blocks[-1], position)
            elif opcode == Opcode.ATTACHMENT:
                self._attachment_at(position, after)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._definition(opcode, self._read(position + _HEAD.size, length))
            elif opcode == Opcode.DATA_END:
                ended = True
                break
            position = after
        for block in self.blocks:
            if block.is_chunk and (block.indexes is None or not block.indexes.keys() <= self.channels.keys()):
                self._read_through(block)
        if not ended:
            self._say_truncated(position)
        elif self._read(self.size - len(MAGIC), len(MAGIC)) != MAGIC:
            self.warnings.append(f"{self.path.name}: truncated in its index at the end; no message is lost")

    def _say_truncated(self, position: int) -> None:
        kept = sum(sum(block.counts.values()) for block in self.blocks)
        last_ns = max((block.end_ns for block in self.blocks if block.counts), default=0)
        lost = self.size - position
        gone = f"the last {lost:,} bytes hold no whole chunk and are lost" if lost else "what had not reached the disk is lost"
        self.warnings.append(
            f"{self.path.name}: truncated (recording was killed, or the file was cut): {gone}; {kept:,} messages up to {last_ns / 1e9:.3f} s are kept"
        )

    def _extend_run(self, run: Block | None, position: int, after: int) -> Block:
        _, _, channel, _, log_ns, _ = _MESSAGE.unpack(self._read(position, _MESSAGE.size))
        if run is None or run is not self.blocks[-1] or run.offset + run.length != position or run.length > _LOOSE_RUN_BYTES:
            run = Block(position, 0, False, log_ns, log_ns, {})
            self.blocks.append(run)
        run.length = after - run.offset
        run.start_ns, run.end_ns = min(run.start_ns, log_ns), max(run.end_ns, log_ns)
        run.counts[channel] = run.counts.get(channel, 0) + 1
        run.times.setdefault(channel, []).append(log_ns)
        return run

    def _index_of(self, block: Block, position: int) -> None:
        _, _, channel, size = _INDEX_HEAD.unpack(self._read(position, _INDEX_HEAD.size))
        block.indexes = block.indexes or {}
        block.indexes[channel] = position
        block.counts[channel] = size // 16

    def _attachment_at(self, position: int, after: int) -> None:
        head = ReadDataStream(BytesIO(self._read(position + _HEAD.size, min(after - position - _HEAD.size, 4096))))
        head.read8()
        head.read8()
        name = head.read_prefixed_string()
        head.read_prefixed_string()
        size = head.read8()
        self.attachments[name] = (after - 4 - size, size)

    def _read_through(self, block: Block) -> None:
        """Definitions, counts and times of a chunk that has no index (or whose channels are defined only inside it)."""
        data = self.content(block)
        counts: dict[int, int] = {}
        times: dict[int, list[int]] = {}
        for opcode, body, channel, log_ns in _records(data):
            if opcode == Opcode.MESSAGE:
                counts[channel] = counts.get(channel, 0) + 1
                times.setdefault(channel, []).append(log_ns)
            else:
                self._definition(opcode, body)
        if data or not block.counts:
            block.counts, block.times, block.indexes = counts, times, {}

    # -- content -----------------------------------------------------------------------------------------------------------------------

    def content(self, block: Block) -> memoryview:
        """The records of a block; empty, with a warning, when its CRC is wrong or it cannot be unpacked."""
        raw = memoryview(self._read(block.offset, block.length))
        if not block.is_chunk:
            return raw
        _, _, size, crc = _CHUNK.unpack_from(raw, _HEAD.size)
        try:
            data = _unpack(raw, size)
            if len(data) != size:
                raise ValueError(f"{len(data)} bytes instead of {size}")
            if crc and zlib.crc32(data) != crc:
                raise ValueError("CRC does not match")
        except (ValueError, RuntimeError, struct.error) as error:
            self._say_corrupt(block, str(error))
            return memoryview(b"")
        return data

    def _say_corrupt(self, block: Block, reason: str) -> None:
        if block.offset in self.corrupt:
            return
        self.corrupt.add(block.offset)
        lost = sum(block.counts.values())
        self.warnings.append(
            f"{self.path.name}: chunk at byte {block.offset:,} is corrupt ({reason}): {lost or 'an unknown number of'} messages between "
            f"{block.start_ns / 1e9:.3f} s and {block.end_ns / 1e9:.3f} s are skipped"
        )

    def messages(self, block: Block, wanted: frozenset[int]) -> list[tuple[int, int, memoryview]]:
        """(log_ns, channel, payload) of the wanted channels of a block, in the order of the file."""
        found = []
        try:
            for opcode, body, channel, log_ns in _records(self.content(block)):
                if opcode == Opcode.MESSAGE and channel in wanted:
                    found.append((log_ns, channel, body))
        except ValueError as error:
            self._say_corrupt(block, str(error))
        return found

    def log_times(self, channel: int) -> NDArray[np.int64]:
        """Log times of all messages of a channel in file order, without reading a payload."""
        parts = []
        for block in self.blocks:
            if channel in block.times:
                parts.append(np.array(block.times[channel], dtype=np.int64))
            elif block.indexes and channel in block.indexes:
                raw = self._read(block.indexes[channel] + _INDEX_HEAD.size, 16 * block.counts[channel])
                parts.append(np.frombuffer(raw, dtype="<i8")[::2])
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def attachment(self, name: str) -> bytes:
        """Data of an attachment."""
        offset, size = self.attachments[name]
        return self._read(offset, size)


def _unpack(raw: memoryview, size: int) -> memoryview:
    position = _HEAD.size + _CHUNK.size
    (length,) = struct.unpack_from("<I", raw, position)
    compression = bytes(raw[position + 4 : position + 4 + length]).decode()
    position += 4 + length
    (packed_size,) = struct.unpack_from("<Q", raw, position)
    packed = raw[position + 8 : position + 8 + packed_size]
    if not compression:
        return packed
    if size > _LARGEST_CHUNK_BYTES:
        raise ValueError(f"it says that it unpacks to {size:,} bytes")
    if compression == "zstd":
        import zstandard

        try:
            return memoryview(zstandard.ZstdDecompressor().decompress(packed, max_output_size=size))
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error
    if compression == "lz4":
        import lz4.frame  # type: ignore[import-untyped]

        return memoryview(lz4.frame.decompress(packed))
    raise ValueError(f"compression {compression!r} is not one of zstd, lz4")


def _records(data: memoryview) -> Iterator[tuple[int, memoryview, int, int]]:
    """(opcode, payload of a message or body of another record, channel, log_ns).

    Raises:
        ValueError: a record is longer than what is left.
    """
    position, end = 0, len(data)
    unpack, head = _MESSAGE.unpack_from, _MESSAGE.size
    while position + _HEAD.size <= end:
        opcode, length = _HEAD.unpack_from(data, position)
        after = position + _HEAD.size + length
        if after > end:
            raise ValueError(f"a record of {length} bytes does not fit")
        if opcode == Opcode.MESSAGE:
            _, _, channel, _, log_ns, _ = unpack(data, position)
            yield opcode, data[position + head : after], channel, log_ns
        else:
            yield opcode, data[position + _HEAD.size : after], 0, 0
        position = after
