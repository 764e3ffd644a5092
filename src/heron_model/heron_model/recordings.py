"""A recording → samples, through the car's own synchronisation and preprocessing.

What the car saw, what it had done, what it was asked, and where it then went by its recorded odometry: a sample every half second of driving. A
moment of which one of these is not known is passed over, and counted by reason; nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from heron_bag.attachments import code_version
from heron_bag.native import camera_frames, camera_topics, explanations, instructions, rig_of
from heron_bag.reader import Bag, open_bag
from heron_camera.config import SyncConfig
from heron_camera.decode import VideoDecoder, jpeg_tear
from heron_camera.picture import PictureError
from heron_camera.preprocess import Member, Prepared, Preprocessor
from heron_camera.sync import FrameGroup, FrameSynchroniser
from heron_camera.views import Mode, VirtualCamera
from heron_core.errors import InputError
from heron_core.frames import CameraFrame
from heron_core.rig import Rig, load_rig
from heron_core.signals import Explanation, Instruction
from heron_model.layout import EGO_COLUMNS, EGO_STEP_S, EGO_STEPS, MANOEUVRES, PAST_S, SLOTS, views
from heron_model.recorded_motion import RecordedMotion
from heron_model.sample_writer import begin_folder, blank, describe_folder, encode, write_rows
from heron_vla.contract import EgoHistorySpec
from heron_vla.ego_history import EgoHistory

PAST_TOLERANCE_NS = 60_000_000  # as at run time
REASONS = next(slot.words for slot in SLOTS if slot.name == "reason")


@dataclass(frozen=True)
class RecordingConfig:
    """How samples are taken.

    Attributes:
        steps_per_past: samples are `PAST_S` divided by this apart.
        mode: of the preprocessing; that of the car that will drive.
        jpeg_quality: of stored pictures.
        rows: of one file at most.
    """

    steps_per_past: int = 1
    mode: Mode = "fast"
    jpeg_quality: int = 94
    rows: int = 2_000

    def __post_init__(self) -> None:
        if not 1 <= self.steps_per_past <= 10:
            raise ValueError(f"steps_per_past = {self.steps_per_past}, allowed 1 .. 10")
        if not 50 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality = {self.jpeg_quality}, allowed 50 .. 100")
        if self.rows < 10 * self.steps_per_past:
            raise ValueError(f"rows = {self.rows}, expected at least {10 * self.steps_per_past}")

    @property
    def period_ns(self) -> int:
        """Between two samples."""
        return round(PAST_S * 1e9 / self.steps_per_past)


def recording_samples(
    recording: Path,
    folder: Path,
    config: RecordingConfig | None = None,
    vehicle: Path | None = None,
    on_sample: Callable[[int], None] = lambda n: None,
) -> dict[str, Any]:
    """Makes a folder of samples of a recording.

    Args:
        recording: folder of the bag, or its file.
        folder: of the samples; new or empty.
        config: how they are taken.
        vehicle: folder of the car, for a recording without calibration.
        on_sample: is told how many there are.

    Returns:
        `samples`, `skipped` (reason → how many), `frame_sets`, `cameras` (what became of their frames): also in samples.yaml.

    Raises:
        InputError: a recording that nothing can be learnt from; the text says why.
        RigMismatchError: none of its cameras feeds a view.
    """
    config = config or RecordingConfig()
    begin_folder(folder)
    with open_bag(recording) as bag:
        rig = load_rig(vehicle / "rig.yaml") if vehicle is not None else rig_of(bag)
        seen = tuple(replace(view, required=False) for view in views())
        maker = _Maker(Preprocessor(rig, seen, config.mode), RecordedMotion.of(bag, vehicle), bag, config)
        for number, rows in enumerate(maker.files(bag, rig)):
            write_rows(folder / f"{recording.stem}_{number:03d}.parquet", rows)
            on_sample(maker.samples)
    if not maker.samples:
        why = ", ".join(f"{reason} {count}" for reason, count in maker.skipped.most_common()) or "it has no complete frame set"
        raise InputError(f"{recording}: not one moment can be learnt from: {why}")
    report = {"samples": maker.samples, "skipped": dict(maker.skipped), **maker.report}
    described = {"recording": recording.name, "preprocessing": {"mode": maker.preprocessor.mode, "digest": maker.preprocessor.digest()}}
    describe_folder(folder, views(), "recording", **described, code=code_version(), rig=rig.name, **report)
    return report


class _Maker:
    """Follows a recording in order of time."""

    def __init__(self, preprocessor: Preprocessor, motion: RecordedMotion, bag: Bag, config: RecordingConfig) -> None:
        self.preprocessor, self.samples, self.skipped = preprocessor, 0, Counter[str]()
        self.report: dict[str, Any] = {}
        self._motion, self._config = motion, config
        self._inputs = [(view, self._row(index, view)) for index, view in enumerate(preprocessor.views)]
        self._history, self._states = EgoHistory(EgoHistorySpec(EGO_COLUMNS, EGO_STEPS, EGO_STEP_S)), iter(motion.states)
        self._instructions = _Latest(instructions(bag), Instruction(0))
        self._explanations = _Latest(explanations(bag), Explanation(0, "", ""))
        self._newest_state_ns = -1

    def files(self, bag: Bag, rig: Rig) -> Iterator[list[dict[str, Any]]]:
        """Rows of each file; one begins with what its first samples have as their past."""
        rows: list[dict[str, Any]] = []
        for group in self._groups(bag, rig):
            if rows and group.stamp_ns < rows[-1]["stamp_ns"] + self._config.period_ns - PAST_TOLERANCE_NS // 2:
                continue
            rows.append(self._sample(group, rows))
            if len(rows) >= self._config.rows:
                yield rows
                rows = [row | {"labelled": False, "past": -1} for row in rows[-self._config.steps_per_past :]]
        if any(row["labelled"] for row in rows):
            yield rows

    def _groups(self, bag: Bag, rig: Rig) -> Iterator[FrameGroup[Member]]:
        cameras = {f"/camera/{camera.topic_name}": camera.name for camera in rig.cameras.values() if camera.name in self.preprocessor.cameras}
        topics = {topic: cameras[root] for topic in camera_topics(bag) for root in cameras if topic.startswith(root + "/")}
        if not topics:
            raise InputError(f"{bag.path}: no images of {', '.join(cameras.values())}; it has {', '.join(bag.topics)}")
        recorded = tuple(dict.fromkeys(topics.values()))
        sync: FrameSynchroniser[Member] = FrameSynchroniser(recorded, SyncConfig(incomplete="mark"), _tear)
        decoders = {name: VideoDecoder(name) for name in recorded}
        log_ns = bag.end_ns
        for log_ns, frame in camera_frames(bag, topics):
            member: Member | None = frame
            if frame.encoding == "h264":
                member = self._decode(decoders[frame.camera], frame)
            if member is not None:
                yield from sync.push(member, log_ns)
        yield from sync.poll(log_ns + sync.config.max_wait_ns + 1)
        absent = sorted({view.camera for view in self.preprocessor.views} - set(recorded))
        self.report = {"frame_sets": dict(sync.sets), "cameras": {name: dict(counts) for name, counts in sync.cameras.items()}, "black": absent}

    def _decode(self, decoder: VideoDecoder, frame: CameraFrame) -> Member | None:
        try:
            return decoder.decode(frame)
        except PictureError:
            self.skipped["undecodable_picture"] += 1
            return None

    def _sample(self, group: FrameGroup[Member], rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A row; labelled if all is known."""
        prepared = self.preprocessor.run(group.members)
        stamps = [stamp_ns for stamp_ns, valid in zip(prepared.exposure_ns, prepared.valid, strict=True) if valid]
        stamp_ns = min(stamps, default=group.stamp_ns)
        row = blank(stamp_ns) | self._pictures(prepared)
        while self._newest_state_ns < stamp_ns and (state := next(self._states, None)) is not None:
            self._history.add(state)
            self._newest_state_ns = state.stamp_ns
        asked, told = self._instructions.at(group.complete_ns), self._explanations.at(group.complete_ns)
        history, future = self._history.at(stamp_ns), self._motion.future(stamp_ns)
        past = self._past(rows, stamp_ns)
        reason = self._reason(prepared, past, rows, history, future, asked)
        if reason:
            self.skipped[reason] += 1
            return row
        assert isinstance(history, np.ndarray) and isinstance(future, np.ndarray)
        self.samples += 1
        known = told.reason in REASONS
        return row | {
            "labelled": True,
            "past": past,
            "ego_hist": history.reshape(-1).tolist(),
            "trajectory": future.reshape(-1).tolist(),
            "manoeuvre": asked.manoeuvre,
            "text": asked.text,
            "reason": told.reason if known else "",
            "english": told.english,
            "japanese": told.japanese,
        }

    def _reason(self, prepared: Prepared, past: int, rows: list[dict[str, Any]], history: Any, future: Any, asked: Instruction) -> str:
        """Why this is no sample, or nothing."""
        if not any(prepared.valid):
            return "no_picture"
        if past < 0:
            return "no_past" if rows else "first_of_the_recording"
        if isinstance(history, str):
            return "ego_history"
        if isinstance(future, str):
            return future
        return "" if asked.manoeuvre in MANOEUVRES else f"unknown_manoeuvre_{asked.manoeuvre}"

    def _past(self, rows: list[dict[str, Any]], stamp_ns: int) -> int:
        """Row of `PAST_S` before, or -1."""
        wanted_ns = stamp_ns - round(PAST_S * 1e9)
        near = [(abs(rows[i]["stamp_ns"] - wanted_ns), i) for i in range(max(0, len(rows) - 2 * self._config.steps_per_past), len(rows))]
        distance_ns, index = min(near, default=(PAST_TOLERANCE_NS + 1, -1))
        return index if distance_ns <= PAST_TOLERANCE_NS else -1

    def _pictures(self, prepared: Prepared) -> dict[str, bytes]:
        return {
            f"view_{index}": encode(prepared.images[view.input][row], self._config.jpeg_quality) if prepared.valid[index] else b""
            for index, (view, row) in enumerate(self._inputs)
        }

    def _row(self, index: int, view: VirtualCamera) -> int:
        return sum(other.input == view.input for other in self.preprocessor.views[:index])


class _Latest:
    """The newest message of a stream that had come by a time; times must not go back."""

    def __init__(self, messages: Iterator[tuple[int, Any]], before: Any) -> None:
        self._messages, self._now = messages, before
        self._next = next(messages, None)

    def at(self, log_ns: int) -> Any:
        while self._next is not None and self._next[0] <= log_ns:
            self._now, self._next = self._next[1], next(self._messages, None)
        return self._now


def _tear(frame: Member) -> str | None:
    return jpeg_tear(frame.data) if isinstance(frame, CameraFrame) and frame.encoding == "jpeg" else None
