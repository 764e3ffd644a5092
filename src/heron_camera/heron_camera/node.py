"""The camera components: one publishes cameras, one makes frame sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from heron_camera.config import CameraConfig, FramesConfig
from heron_camera.decode import VideoDecoder, jpeg_tear
from heron_camera.picture import DecodedFrame, PictureError
from heron_camera.preprocess import Member, Prepared, Preprocessor, limit_opencv_threads
from heron_camera.sources.bag import bag_frames
from heron_camera.sources.device import device_frames, v4l2_device
from heron_camera.sources.folder import folder_frames
from heron_camera.sources.pacing import Frames, at_exposure
from heron_camera.sources.video import video_frames
from heron_camera.sync import FrameGroup, FrameSynchroniser
from heron_camera.views import load_preprocessing, load_views
from heron_camera.watch import SilenceWatch
from heron_core.errors import ConfigError, RigMismatchError
from heron_core.frames import CameraFrame
from heron_core.rig import RigCamera, load_rig
from heron_core.stages import Stages
from heron_runtime.node import HeronNode

POLL_NS = 25_000_000
WATCH_NS = 100_000_000
_TOPICS = {"jpeg": "image/compressed", "h264": "video"}
_TRANSPORT_TOPICS = {"jpeg": "image/compressed", "h264": "video", "raw": "image"}


class CameraNode(HeronNode):
    """Publishes the frames of a source, the cameras' calibration and their places on the car."""

    NAME = "camera"
    Config = CameraConfig

    def setup(self) -> None:
        """Opens the source; checks that the rig knows its cameras."""
        config: CameraConfig = self.config
        self._rig = load_rig(Path(config.rig))
        self._stop = Event()
        self._frames: dict[str, int] = {}
        self._outputs: dict[tuple[str, str], Any] = {}
        self.advertise("/tf_static").publish(self._rig.transforms())
        for camera, info in zip(self._rig.cameras.values(), self._rig.infos(), strict=True):
            self.advertise(f"{camera.topic}/camera_info").publish(info)
        if config.source == "bag":
            self.feed(self._open_bag, self._publish)
            return
        for name, path in config.paths().items():
            if name not in self._rig.cameras:
                raise ConfigError(f"inputs: rig {self._rig.name!r} has no camera {name}; it has {', '.join(self._rig.cameras)}")
            self.feed(partial(self._open, self._rig.cameras[name], path), self._publish)

    def interrupt(self) -> None:
        """Ends the sources."""
        self._stop.set()

    def report(self) -> dict[str, Any]:
        """Frames published per camera."""
        return {"source": {"published": self._frames}}

    def _open_bag(self) -> Frames:
        config: CameraConfig = self.config
        frames = bag_frames(Path(config.inputs[0]), self._rig, config.realtime, lambda text: self.post(lambda: self.event("recording", text)))
        return at_exposure(frames, config.exposure_offset_ns)

    def _open(self, camera: RigCamera, path: str) -> Frames:
        return at_exposure(self._open_source(camera, path), self.config.exposure_offset_ns)

    def _open_source(self, camera: RigCamera, path: str) -> Frames:
        config: CameraConfig = self.config
        if config.source == "video":
            return video_frames(camera.name, Path(path), self.now_ns(), config.realtime, config.loop)
        if config.source == "folder":
            return folder_frames(camera.name, Path(path), self.now_ns(), config.rate_hz, self._lost, config.realtime, config.loop)
        size = (config.width or camera.lens.width, config.height or camera.lens.height)
        device = v4l2_device(path, config.encoding, *size, config.rate_hz)
        return device_frames(camera.name, config.encoding, device, self.now_ns, self._lost, config.retry_s, self._stop)

    def _publish(self, frame: CameraFrame) -> None:
        key = (frame.camera, _TOPICS.get(frame.encoding, "image"))
        if key not in self._outputs:
            self._outputs[key] = self.advertise(f"{self._rig.cameras[frame.camera].topic}/{key[1]}")
        self._outputs[key].publish(dataclasses.replace(frame, received_ns=self.now_ns()))
        self._frames[frame.camera] = self._frames.get(frame.camera, 0) + 1

    def _lost(self, camera: str, reason: str) -> None:
        """Called by sources, in their own threads."""
        self.post(lambda: self._tell_lost(camera, reason))

    def _tell_lost(self, camera: str, reason: str) -> None:
        self.count(f"{camera}.lost")
        self.event("camera_lost", f"{camera}: {reason}")


class FramesNode(HeronNode):
    """Makes frame sets for a policy from the cameras' topics."""

    NAME = "frames"
    Config = FramesConfig

    def setup(self) -> None:
        """Checks the policy's views against the rig, builds the maps, subscribes."""
        config: FramesConfig = self.config
        limit_opencv_threads()
        rig, description = load_rig(Path(config.rig)), Path(config.policy) / "policy.yaml"
        wanted = load_preprocessing(description)
        self._preprocessor = Preprocessor(rig, load_views(description, rig), config.preprocessing_mode(wanted.mode), config.threads)
        self.at_end(self._preprocessor.close)
        if wanted.digest and wanted.digest != self._preprocessor.digest():
            raise RigMismatchError(f"{description}: made for preprocessing {wanted.digest[:12]}, here it is {self._preprocessor.digest()[:12]}")
        names = self._preprocessor.cameras
        self._sync: FrameSynchroniser[Member] = FrameSynchroniser(names, config.sync, _tear)
        silence_ns, startup_ns = round(config.silence_s * 1e9), round(config.startup_s * 1e9)
        self._cameras_watch = SilenceWatch(names, silence_ns, startup_ns)
        self._sets_watch = SilenceWatch(["frames"], silence_ns, startup_ns)
        self._told = ""
        self._published = 0
        self._decoders = {name: VideoDecoder(name) for name in names}
        self._undecodable = dict.fromkeys(names, 0)
        self._publisher = self.advertise("/frames")
        self._worker = self.worker("preprocess", self._prepare, self._publish, newest_only=True)
        self._decode: dict[str, Any] = {}
        for name in names:
            for transport in config.transports(name):
                if transport == "h264":
                    self._decode[name] = self.worker("decode", self._decode_video, self._decoded, newest_only=False)
                topic = f"{rig.cameras[name].topic}/{_TRANSPORT_TOPICS[transport]}"
                self.subscribe(topic, partial(self._received, name))
        self.every(POLL_NS, lambda: self._pass_on(self._sync.poll(self.now_ns())))
        self.every(WATCH_NS, self._watch)

    def report(self) -> dict[str, Any]:
        """Frames and losses per camera, sets, and the digest of the preprocessing."""
        counted = self._sync.cameras
        cameras = {}
        for name in self._preprocessor.cameras:
            decoder, counts = self._decoders[name], dict(counted[name])
            undecodable, waiting = self._undecodable[name], decoder.dropped
            behind = self._decode[name].dropped if name in self._decode else 0
            dropped = counts.get("late", 0) + counts.get("torn", 0) + undecodable + waiting + behind
            frames = counts.pop("frames", 0) + (decoder.errors + waiting + behind if name in self._decode else 0)
            cameras[name] = {"frames": frames, "dropped": dropped, "undecodable": undecodable, "before_keyframe": waiting, **counts}
        sets = {**self._sync.sets, "published": self._published, "displaced": self._worker.dropped}
        return {"cameras": cameras, "frame_sets": sets, "preprocessing": self._preprocessor.digest(), "image_buffers": self._preprocessor.buffers}

    def _received(self, name: str, frame: CameraFrame) -> None:
        if self._cameras_watch.heard(name, self.now_ns()):
            self.event("camera_back", f"{name} sends again")
        if frame.camera != name:  # the topic decides; an outside sender need not know our names
            frame = dataclasses.replace(frame, camera=name)
        if frame.encoding == "h264":
            self._decode[name].submit(frame)
        else:
            self._pass_on(self._sync.push(frame, self.now_ns()))

    def _decode_video(self, frame: CameraFrame) -> DecodedFrame | tuple[str, str] | None:
        """In the camera's decoder thread: the picture, (camera, fault), or None while waiting for a keyframe."""
        try:
            return self._decoders[frame.camera].decode(frame)
        except PictureError as error:
            return frame.camera, str(error)

    def _decoded(self, result: DecodedFrame | tuple[str, str] | None) -> None:
        if isinstance(result, DecodedFrame):
            self._pass_on(self._sync.push(result, self.now_ns()))
        elif result is not None:
            self._tell_undecodable(*result)

    def _tell_undecodable(self, camera: str, fault: str) -> None:
        self._undecodable[camera] += 1
        self.count(f"{camera}.undecodable")
        self.event("frame_undecodable", f"{camera}: {fault}")

    def _pass_on(self, groups: Iterable[FrameGroup[Member]]) -> None:
        for group in groups:
            self._tell_lacking(group)
            if not group.refused:
                self._worker.submit(group)

    def _tell_lacking(self, group: FrameGroup[Member]) -> None:
        """An event when what the sets lack changes; every set is counted."""
        reason = group.reason()
        if reason:
            self.count("sets_refused" if group.refused else "sets_marked")
        if reason != self._told:
            self._told = reason
            verdict = "refused" if group.refused else "marked"
            self.event("frames_incomplete" if reason else "frames_complete", f"sets are {verdict}: {reason}" if reason else "sets are whole again")

    def _prepare(self, group: FrameGroup[Member]) -> tuple[FrameGroup[Member], Prepared]:
        """In the preprocessing thread."""
        return group, self._preprocessor.run(group.members)

    def _publish(self, result: tuple[FrameGroup[Member], Prepared]) -> None:
        group, prepared = result
        for camera, fault in prepared.faults.items():
            self._tell_undecodable(camera, fault)
        if (prepared.faults and self.config.sync.incomplete == "refuse") or not any(prepared.valid):
            self.count("sets_refused")
            return
        stages = Stages(
            exposure_ns=group.stamp_ns,
            received_ns=max(frame.received_ns for frame in group.members.values()),
            frames_complete_ns=group.complete_ns,
            preprocessed_ns=self.now_ns(),
        )
        self._publisher.publish(self._preprocessor.frame_set(prepared, stages))
        self._published += 1
        if self._sets_watch.heard("frames", self.now_ns()):
            self.event("frames_back", "frame sets come again")

    def _watch(self) -> None:
        now_ns = self.now_ns()
        for name in self._cameras_watch.newly_silent(now_ns):
            self.count(f"{name}.silent")
            self.event("camera_silent", f"{name}: no frame for more than {self.config.silence_s:g} s")
        if self._sets_watch.newly_silent(now_ns):
            self.event("frames_silent", f"no frame set for more than {self.config.silence_s:g} s")


def _tear(frame: Member) -> str | None:
    return jpeg_tear(frame.data) if isinstance(frame, CameraFrame) and frame.encoding == "jpeg" else None
