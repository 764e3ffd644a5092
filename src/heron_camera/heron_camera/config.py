"""Settings of the camera components; the only home of their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from heron_camera.views import Mode


@dataclass(frozen=True)
class SyncConfig:
    """How frames become frame sets.

    Attributes:
        tolerance_ms: exposures of one set span at most this.
        period_ms: at most one set in this time; 0 passes every set on.
        max_wait_ms: how long a set waits for its last camera, from its first frame's arrival.
        incomplete: what happens to a set that lacks a camera, or has it exposed at another time: `refuse` it, or `mark` the view as not valid.
        clock_jump_ms: stamps that go back by more than this mean a new clock; less is a frame out of order.
    """

    tolerance_ms: float = 40.0
    period_ms: float = 0.0
    max_wait_ms: float = 80.0
    incomplete: Literal["refuse", "mark"] = "refuse"
    clock_jump_ms: float = 1000.0

    def __post_init__(self) -> None:
        _at_least("tolerance_ms", self.tolerance_ms, 0.0)
        _at_least("period_ms", self.period_ms, 0.0)
        _at_least("max_wait_ms", self.max_wait_ms, 1.0)
        _at_least("clock_jump_ms", self.clock_jump_ms, 1.0)
        if self.period_ms and self.tolerance_ms >= self.period_ms:
            raise ValueError(f"tolerance_ms {self.tolerance_ms} must be below period_ms {self.period_ms}: neighbouring sets would mix")

    @property
    def tolerance_ns(self) -> int:
        """`tolerance_ms` in nanoseconds."""
        return round(self.tolerance_ms * 1e6)

    @property
    def period_ns(self) -> int:
        """`period_ms` in nanoseconds."""
        return round(self.period_ms * 1e6)

    @property
    def max_wait_ns(self) -> int:
        """`max_wait_ms` in nanoseconds."""
        return round(self.max_wait_ms * 1e6)

    @property
    def clock_jump_ns(self) -> int:
        """`clock_jump_ms` in nanoseconds."""
        return round(self.clock_jump_ms * 1e6)


@dataclass(frozen=True)
class FramesConfig:
    """The component that makes frame sets.

    Attributes:
        rig: rig.yaml of the car.
        policy: folder of the policy that will see the sets; its policy.yaml states views and preprocessing.
        transport: topic on which each camera's frames arrive: jpeg (image/compressed), h264 (video), raw (image). One value for all cameras, or
            `camera=value` entries; `auto` listens to all three.
        mode: overrides the policy's preprocessing mode; empty keeps it.
        threads: cameras decoded and remapped at once.
        silence_s: without a set, or a camera's frame, for this long, an event says so.
        startup_s: the same before the first one.
        sync: see `SyncConfig`.
    """

    rig: str
    policy: str
    transport: tuple[str, ...] = ("auto",)
    mode: str = ""
    threads: int = 2
    silence_s: float = 1.0
    startup_s: float = 2.5
    sync: SyncConfig = field(default_factory=SyncConfig)

    def __post_init__(self) -> None:
        if self.mode not in ("", "quality", "fast"):
            raise ValueError(f"mode {self.mode!r} is not quality, fast or empty")
        if not 1 <= self.threads <= 64:
            raise ValueError(f"threads {self.threads} is outside 1..64")
        _at_least("silence_s", self.silence_s, 0.1)
        _at_least("startup_s", self.startup_s, self.silence_s)
        for entry in self.transport:
            _transport_of(entry)

    def transports(self, camera: str) -> tuple[str, ...]:
        """Which of jpeg, h264, raw to listen to for `camera`."""
        chosen = "auto"
        for entry in self.transport:
            name, value = _transport_of(entry)
            if name in ("", camera):
                chosen = value
        return TRANSPORTS if chosen == "auto" else (chosen,)

    def preprocessing_mode(self, of_policy: Mode) -> Mode:
        """The mode to use when the policy states `of_policy`."""
        return "fast" if self.mode == "fast" else "quality" if self.mode == "quality" else of_policy


TRANSPORTS = ("jpeg", "h264", "raw")


def _transport_of(entry: str) -> tuple[str, str]:
    name, _, value = entry.rpartition("=")
    if value not in (*TRANSPORTS, "auto"):
        raise ValueError(f"transport {entry!r}: {value!r} is not one of auto, {', '.join(TRANSPORTS)}")
    return name, value


@dataclass(frozen=True)
class CameraConfig:
    """The component that publishes cameras.

    Attributes:
        rig: rig.yaml of the car.
        source: video (files), folder (images), v4l2 (devices) or bag (a recording).
        inputs: `camera=path` entries: a video file, image folder or device for each camera; for a bag one entry without a camera, its path.
        realtime: files are played at their own speed; False as fast as they are taken.
        loop: files begin anew at their end.
        rate_hz: frames per second of image folders without time stamps in their names, and asked of devices (0 = the device's own).
        exposure_offset_ms: added to the source's stamp to reach the exposure mid-point (negative when stamps are taken at read-out).
        width, height: asked of devices; 0 takes the rig's.
        encoding: asked of devices: jpeg, yuyv or nv12.
        retry_s: how long to wait before a lost device is opened again.
    """

    rig: str
    inputs: tuple[str, ...]
    source: Literal["video", "folder", "v4l2", "bag"] = "video"
    realtime: bool = True
    loop: bool = False
    rate_hz: float = 10.0
    exposure_offset_ms: float = 0.0
    width: int = 0
    height: int = 0
    encoding: Literal["jpeg", "yuyv", "nv12"] = "jpeg"
    retry_s: float = 1.0

    def __post_init__(self) -> None:
        if not self.inputs:
            raise ValueError("inputs is empty; give camera=path for each camera, or the path of a bag")
        if not 0.0 <= self.rate_hz <= 1000.0:
            raise ValueError(f"rate_hz {self.rate_hz} is outside 0..1000")
        _at_least("retry_s", self.retry_s, 0.01)
        if self.width < 0 or self.height < 0:
            raise ValueError(f"width {self.width} and height {self.height} must not be negative")
        if self.source != "bag":
            for entry in self.inputs:
                if not all(entry.partition("=")):
                    raise ValueError(f"inputs: {entry!r} is not camera=path")

    @property
    def exposure_offset_ns(self) -> int:
        """`exposure_offset_ms` in nanoseconds."""
        return round(self.exposure_offset_ms * 1e6)

    def paths(self) -> dict[str, str]:
        """Camera → path of its input."""
        return {name: path for name, _, path in (entry.partition("=") for entry in self.inputs)}


def _at_least(name: str, value: float, low: float) -> None:
    if not value >= low:
        raise ValueError(f"{name} {value} must be at least {low:g}")
