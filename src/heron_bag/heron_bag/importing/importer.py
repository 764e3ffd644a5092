"""Importing: sources → one recording, whole or not at all."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from heron_bag.attachments import PROVENANCE, provenance, vehicle_files
from heron_bag.errors import BagError
from heron_bag.importing.calibration import build_rig
from heron_bag.importing.config import ImportConfig, Source
from heron_bag.importing.recording import Item, Recording, Tally, find_file, seconds_to_ns
from heron_bag.native import RIG_ATTACHMENT
from heron_bag.serialise import ros_type_of, serialise
from heron_bag.whole import whole_recording
from heron_bag.writer import BagWriter
from heron_core.rig import CameraInfo, Rig, StaticTransforms, dump_rig

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class ImportResult:
    """What was made.

    Attributes:
        path: the recording. messages: topic → count. counts, remarks: what happened on the way.
        notes: what a reader has to know. start_ns, end_ns: log times.
    """

    path: Path
    messages: dict[str, int]
    counts: dict[str, int]
    remarks: list[str]
    notes: list[str]
    start_ns: int
    end_ns: int


def import_recording(config: ImportConfig, config_file: Path, out: Path, progress: Progress = lambda done, total: None) -> ImportResult:
    """Makes the recording `out`. Until it is whole it lies beside as `.<name>.part`, which is removed on any error or Ctrl-C.

    Args:
        config: what to import.
        config_file: where it was read from; relative paths start there.
        out: folder to be made.
        progress: called with (messages so far, messages expected or None).

    Raises:
        BagError: a source cannot be read. BagError: `out` exists. BagWriteError: the disk is full.
    """
    base = config_file.resolve().parent
    if out.exists():
        raise BagError(f"{out}: exists already; give another folder, or remove it")
    recordings = [_open(source, base) for source in config.sources]
    shifts = [_shift_ns(config, recording) for recording in recordings]
    with whole_recording(out) as writer:
        return _write(config, config_file, base, recordings, shifts, writer, progress, out)


def _open(source: Source, base: Path) -> Recording:
    if source.video:
        from heron_bag.importing.video import VideoRecording

        return VideoRecording(source.video, base)
    if source.images:
        from heron_bag.importing.images import ImagesRecording

        return ImagesRecording(source.images, base)
    if source.can:
        from heron_bag.importing.can_log import CanRecording

        return CanRecording(source.can, base)
    if source.nmea:
        from heron_bag.importing.nmea import NmeaRecording

        return NmeaRecording(source.nmea, base)
    if source.dgp:
        from heron_bag.importing.dgp import DgpRecording

        return DgpRecording(source.dgp, base)
    raise BagError("a source without a kind")


def _shift_ns(config: ImportConfig, recording: Recording) -> int:
    offset_ns = seconds_to_ns(recording.offset_s)
    if config.timeline.align == "start":
        return config.timeline.start_ns() + offset_ns - recording.first_ns
    if not recording.absolute:
        raise BagError(f"{recording.label}: has no absolute time; lay it on the time line with `timeline: {{align: start, start: …}}`")
    return offset_ns


def _write(
    config: ImportConfig,
    config_file: Path,
    base: Path,
    recordings: list[Recording],
    shifts: list[int],
    writer: BagWriter,
    progress: Progress,
    out: Path,
) -> ImportResult:
    tally = Tally()
    rig, rig_files = build_rig(config.name, config.calibration, base) if config.calibration else (None, [])
    expected = [recording.expected for recording in recordings]
    total = None if None in expected else sum(count or 0 for count in expected)
    for name, data in _attachments(config, base, rig).items():
        writer.attach(name, data)
    start_ns = end_ns = min(recording.first_ns + shift for recording, shift in zip(recordings, shifts, strict=True))
    for done, (log_ns, topic, native) in enumerate(_announced(rig, start_ns, _merged(recordings, shifts, tally))):
        writer.add_topic(topic, ros_type_of(native), latched=isinstance(native, (CameraInfo, StaticTransforms)))
        writer.write(topic, log_ns, serialise(native))
        start_ns, end_ns = min(start_ns, log_ns), max(end_ns, log_ns)
        progress(done + 1, total)
    notes, counts = _notes(config, tally), dict(sorted(tally.counts.items()))
    used = [*(file for recording in recordings for file in recording.files), *rig_files, config_file.resolve()]
    files = {f"{file.parent.name}/{file.name}": file for file in used}
    writer.attach(PROVENANCE, provenance(f"import {config_file.name}", notes, files, counts=counts))
    return ImportResult(out, dict(sorted(writer.counts.items())), counts, tally.remarks, notes, start_ns, end_ns)


def _attachments(config: ImportConfig, base: Path, rig: Rig | None) -> dict[str, bytes]:
    found = vehicle_files(base / config.vehicle) if config.vehicle else {}
    found |= {name: find_file(file, base).read_bytes() for name, file in config.attach.items()}
    if rig:
        found[RIG_ATTACHMENT] = dump_rig(rig).encode()
    return dict(sorted(found.items()))


def _announced(rig: Rig | None, start_ns: int, items: Iterator[Item]) -> Iterator[Item]:
    """Calibration first, at the time of the first datum, then the rest."""
    if rig:
        for camera in rig.cameras.values():
            info = CameraInfo(camera.name, camera.frame_id, camera.lens, start_ns)
            yield start_ns, f"{camera.topic}/camera_info", info
        yield start_ns, "/tf_static", StaticTransforms(rig.transforms().transforms, start_ns)
    yield from items


def _merged(recordings: list[Recording], shifts: list[int], tally: Tally) -> Iterator[Item]:
    streams = [recording.items(shift, tally) for recording, shift in zip(recordings, shifts, strict=True)]
    return heapq.merge(*streams, key=lambda item: item[0])


def _notes(config: ImportConfig, tally: Tally) -> list[str]:
    notes = [config.note.strip()] if config.note.strip() else []
    if config.calibration and config.calibration.assumed:
        notes.append(f"assumed, not measured: {config.calibration.assumed.strip()}")
    return notes + tally.remarks
