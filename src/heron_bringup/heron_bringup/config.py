"""Defaults of the generated recording and of the pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GeneratedConfig:
    """The recording that `./heron drive` makes when it is given none.

    Attributes:
        seconds: of camera images.
        rate_hz: images of each camera per second.
        seed: of the street, of the car's speed profile, and of the jitter on the bus.
        scale: rendered size over camera size; pictures are enlarged to camera size.
        jpeg_quality: 1 … 100.
        lead_s: CAN before the first image.
        camera_delay_s: from exposure to arrival.
        skew_s: exposure of the last camera of the rig after that of the first; the others lie between.
        start_ns: recorded time at which it begins.
    """

    seconds: float = 12.0
    rate_hz: float = 10.0
    seed: int = 0
    scale: float = 0.6
    jpeg_quality: int = 87
    lead_s: float = 1.2
    camera_delay_s: float = 0.012
    skew_s: float = 0.006
    start_ns: int = 1_767_225_600_000_000_000  # 2026-01-01 00:00 UTC

    def __post_init__(self) -> None:
        for name, low, high in (
            ("seconds", 0.1, 600.0),
            ("rate_hz", 0.5, 60.0),
            ("scale", 0.1, 1.0),
            ("jpeg_quality", 1, 100),
            ("lead_s", 0.0, 10.0),
            ("camera_delay_s", 0.0, 0.5),
            ("skew_s", 0.0, 0.5),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value}, allowed {low} … {high}")
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed}, allowed 0 or more")

    @property
    def frames(self) -> int:
        """Images of each camera."""
        return round(self.seconds * self.rate_hz)


@dataclass(frozen=True)
class MosaicConfig:
    """The mosaic video and picture.

    Attributes:
        width: of the video in pixels; the height follows from the layout.
        half_width_m: the ribbon of the plan reaches this far to both sides of the path.
        crf: quality of the H.264 video, 0 (lossless) … 51.
        picture_quality: JPEG quality of the picture, 1 … 100.
    """

    width: int = 1400
    half_width_m: float = 0.9
    crf: int = 24
    picture_quality: int = 86

    def __post_init__(self) -> None:
        for name, low, high in (("width", 320, 7680), ("half_width_m", 0.05, 3.0), ("crf", 0, 51), ("picture_quality", 1, 100)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} = {value}, allowed {low} … {high}")
