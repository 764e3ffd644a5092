"""Writing recordings: a rosbag2 folder of one mcap file that is whole up to its last chunk at any moment."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from mcap.opcode import Opcode
from mcap.records import Attachment, AttachmentIndex, Channel, ChunkIndex, DataEnd, Footer, Header, McapRecord, Schema, Statistics, SummaryOffset

from heron_bag.chunk import Chunk, record_bytes
from heron_bag.config import WriterConfig
from heron_bag.definitions import schema_text, type_hash
from heron_bag.errors import BagError, BagWriteError
from heron_bag.mcap_file import MAGIC
from heron_bag.metadata import metadata_yaml, qos_yaml

_IOV_MAX = 1024


class BagWriter:
    """Writes `path`/ with `path.name`_0.mcap and, when closed, metadata.yaml; the file is readable without the latter.

    A chunk goes to the operating system as soon as it is full or old, so a killed process loses the last chunk and no more. When the disk
    is full the unfinished chunk is dropped, the index written in its place, and `BagWriteError` says what was kept.

    Attributes:
        path: the folder.
        counts: topic → messages accepted.
        error: why writing stopped, or None.
    """

    def __init__(self, path: Path | str, config: WriterConfig | None = None, *, chunk_bytes: int | None = None) -> None:
        settings = config or WriterConfig()
        self._config = WriterConfig(chunk_bytes, settings.chunk_s, settings.sync_s) if chunk_bytes else settings
        self.path = Path(path)
        self.counts: dict[str, int] = {}
        self.error: BagWriteError | None = None
        self._channels: dict[str, Channel] = {}
        self._schemas: dict[str, Schema] = {}
        self._latched: set[str] = set()
        self._chunk = Chunk()
        self._chunks: list[tuple[ChunkIndex, dict[int, int]]] = []
        self._attachments: list[AttachmentIndex] = []
        self._closed = False
        self._synced_at = time.monotonic()
        try:
            self.path.mkdir(parents=True)
            self.file = self.path / f"{self.path.name}_0.mcap"
            self._fd = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            raise BagError(f"{self.path}: exists already; give another folder, or remove it") from None
        except OSError as error:
            raise BagError(f"{self.path}: cannot be created: {error.strerror}") from error
        self._position = 0
        self._whole = 0
        self._put([MAGIC, record_bytes(Header(profile="ros2", library="heron_bag"))])

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self.error is None:
            self.close()

    def add_topic(self, topic: str, ros_type: str, *, latched: bool = False, definition: str | None = None) -> None:
        """Declares a topic; again with the same type does nothing. `definition`: ros2msg text, where not the installed one.

        Raises:
            BagWriteError: the topic has another type. BagError: no definition of the type was found.
        """
        known = self._channels.get(topic)
        if known is not None:
            if self.ros_type(topic) != ros_type:
                raise BagWriteError(f"{self.path}: topic {topic} is {self.ros_type(topic)}, not {ros_type}")
            return
        schema = self._schemas.get(ros_type)
        if schema is None:
            data = (schema_text(ros_type) if definition is None else definition).encode()
            schema = self._schemas[ros_type] = Schema(id=len(self._schemas) + 1, name=ros_type, encoding="ros2msg", data=data)
            self._chunk.define(schema)
        channel = Channel(
            id=len(self._channels) + 1,
            topic=topic,
            message_encoding="cdr",
            metadata={"offered_qos_profiles": qos_yaml(latched)},
            schema_id=schema.id,
        )
        if latched:
            self._latched.add(topic)
        self._channels[topic] = channel
        self.counts[topic] = 0
        self._chunk.define(channel)

    def ros_type(self, topic: str) -> str:
        """The type of a declared topic."""
        schema_id = self._channels[topic].schema_id
        return next(schema.name for schema in self._schemas.values() if schema.id == schema_id)

    def write(self, topic: str, log_ns: int, raw: bytes | memoryview) -> None:
        """Adds a message; `raw` is CDR with its 4-byte head and must not change until its chunk is out.

        Raises:
            BagWriteError: the disk is full or failed, now or before; the recording has been closed and is readable.
        """
        self._check_open()
        if log_ns < 0:
            raise ValueError(f"log time {log_ns} of {topic} is negative")
        chunk, channel = self._chunk, self._channels[topic]
        if chunk.start_ns and log_ns - chunk.start_ns > self._config.chunk_s * 1e9:
            self._flush()
            chunk = self._chunk
        chunk.add(channel.id, self.counts[topic], log_ns, raw)
        self.counts[topic] += 1
        if chunk.size >= self._config.chunk_bytes:
            self._flush()

    def attach(self, name: str, data: bytes, media_type: str = "application/octet-stream") -> None:
        """Stores a file inside the recording, e.g. vehicle/rig.yaml."""
        self._check_open()
        self._flush()
        raw = record_bytes(Attachment(create_time=0, log_time=0, name=name, media_type=media_type, data=data))
        index = AttachmentIndex(
            offset=self._position, length=len(raw), log_time=0, create_time=0, data_size=len(data), name=name, media_type=media_type
        )
        self._put_or_stop([raw])
        self._attachments.append(index)

    def flush(self) -> None:
        """Hands the chunk being filled to the operating system now."""
        self._check_open()
        self._flush()

    def close(self) -> None:
        """Writes the last chunk, the summary and metadata.yaml; a second call does nothing.

        Raises:
            BagWriteError: the disk is full; what fitted is kept and readable.
        """
        if self._closed:
            return
        self._flush()
        if not self._closed:
            self._finish()

    def abandon(self) -> None:
        """Closes the file as it is, without index: for a recording that is thrown away."""
        if not self._closed:
            self._closed = True
            os.close(self._fd)

    def _check_open(self) -> None:
        if self.error:
            raise self.error
        if self._closed:
            raise BagWriteError(f"{self.path}: is closed")

    # -- bytes -------------------------------------------------------------------------------------------------------------------------

    def _put(self, parts: Sequence[bytes | memoryview]) -> None:
        """Writes all parts, then calls the file whole up to here."""
        left = [memoryview(part) for part in parts if len(part)]
        while left:
            written = os.writev(self._fd, left[:_IOV_MAX])
            self._position += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
        self._whole = self._position

    def _flush(self) -> None:
        chunk = self._chunk
        if not chunk.size:
            return
        parts, index = chunk.finish(self._position)
        self._put_or_stop(parts)
        self._chunks.append((index, chunk.counts))
        self._chunk = Chunk()
        if self._config.sync_s and time.monotonic() - self._synced_at >= self._config.sync_s:
            try:
                os.fdatasync(self._fd)
            except OSError as error:  # some file systems tell of a full disk only here
                self._stop(error)
            self._synced_at = time.monotonic()

    def _put_or_stop(self, parts: Sequence[bytes | memoryview]) -> None:
        try:
            self._put(parts)
        except OSError as error:
            self._stop(error)

    def _stop(self, error: OSError) -> None:
        """Ends the recording on a full or failing disk: what is whole is kept and indexed."""
        self._chunk = Chunk()
        self._finish(after=error)
        kept = sum(sum(counts.values()) for _, counts in self._chunks)
        lost = sum(self.counts.values()) - kept
        reason = "the disk is full" if error.errno in (28, 122, 27) else error.strerror
        self.error = BagWriteError(
            f"{self.path}: recording stopped, {reason}: {kept:,} messages are kept and readable, the last {lost:,} are lost; make room and "
            "record into another folder",
            reason,
        )
        raise self.error from error

    # -- the end -----------------------------------------------------------------------------------------------------------------------

    def _finish(self, after: OSError | None = None) -> None:
        """Summary and metadata; on a full disk chunks are given up from the end until these fit."""
        self._closed = True
        failed = after
        while True:
            try:
                self._cut()
                self._put(self._summary())
                self._write_metadata()
                os.fsync(self._fd)
                break
            except OSError as error:
                failed = failed or error
                if not self._chunks:
                    os.close(self._fd)
                    self.error = BagWriteError(f"{self.path}: nothing could be written: {error.strerror}", error.strerror)
                    raise self.error from error
                index, _ = self._chunks.pop()
                self._whole = index.chunk_start_offset
                self._attachments = [each for each in self._attachments if each.offset < self._whole]
        os.close(self._fd)
        if failed is not None and after is None:
            self._raise_short(failed)

    def _raise_short(self, failed: OSError) -> None:
        kept = sum(sum(counts.values()) for _, counts in self._chunks)
        self.error = BagWriteError(
            f"{self.path}: {failed.strerror} while closing: {kept:,} of {sum(self.counts.values()):,} messages are kept and readable"
        )
        raise self.error from failed

    def _cut(self) -> None:
        """Takes away what was written after the last whole record."""
        if self._position != self._whole or os.fstat(self._fd).st_size != self._whole:
            os.ftruncate(self._fd, self._whole)
            os.lseek(self._fd, self._whole, os.SEEK_SET)
            self._position = self._whole

    def _summary(self) -> list[bytes]:
        data_end = record_bytes(DataEnd(0))
        start = self._position + len(data_end)
        groups: list[tuple[Opcode, Sequence[McapRecord]]] = [
            (Opcode.SCHEMA, list(self._schemas.values())),
            (Opcode.CHANNEL, list(self._channels.values())),
            (Opcode.STATISTICS, [self._statistics()]),
            (Opcode.CHUNK_INDEX, [index for index, _ in self._chunks]),
            (Opcode.ATTACHMENT_INDEX, self._attachments),
        ]
        body, offsets = b"", []
        for opcode, records in groups:
            raw = record_bytes(*records)
            if raw:
                offsets.append(SummaryOffset(group_opcode=opcode, group_start=start + len(body), group_length=len(raw)))
            body += raw
        summary = body + record_bytes(*offsets)
        footer = record_bytes(Footer(summary_start=start, summary_offset_start=start + len(body), summary_crc=0))[:-4]
        crc = zlib.crc32(summary + footer).to_bytes(4, "little")
        return [data_end, summary, footer, crc, MAGIC]

    def _kept(self) -> dict[int, int]:
        counts = {channel.id: 0 for channel in self._channels.values()}
        for _, chunk_counts in self._chunks:
            for channel_id, count in chunk_counts.items():
                counts[channel_id] += count
        return counts

    def _span_ns(self) -> tuple[int, int]:
        filled = [index for index, counts in self._chunks if counts]
        return min((index.message_start_time for index in filled), default=0), max((index.message_end_time for index in filled), default=0)

    def _statistics(self) -> Statistics:
        counts, (start_ns, end_ns) = self._kept(), self._span_ns()
        return Statistics(
            attachment_count=len(self._attachments),
            channel_count=len(self._channels),
            channel_message_counts=counts,
            chunk_count=len(self._chunks),
            message_count=sum(counts.values()),
            message_start_time=start_ns,
            message_end_time=end_ns,
            metadata_count=0,
            schema_count=len(self._schemas),
        )

    def _write_metadata(self) -> None:
        counts, (start_ns, end_ns) = self._kept(), self._span_ns()
        topics = [
            (topic, self.ros_type(topic), counts[channel.id], topic in self._latched, self._hash(topic))
            for topic, channel in sorted(self._channels.items())
        ]
        temporary = self.path / ".metadata.yaml"
        temporary.write_text(metadata_yaml(self.file.name, start_ns, end_ns, topics), encoding="utf-8")
        temporary.rename(self.path / "metadata.yaml")

    def _hash(self, topic: str) -> str:
        try:
            return type_hash(self.ros_type(topic))
        except Exception:  # a type known only by the definition it came with
            return ""
