"""Camera frames as they arrive, and frame sets as a policy sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from heron_core.stages import Stages

ENCODINGS = ("jpeg", "h264", "rgb8", "bgr8", "mono8", "nv12", "yuyv")


@dataclass(frozen=True)
class CameraFrame:
    """One image of one camera, still as the source delivered it.

    Attributes:
        camera: name in the rig, e.g. CAM_FRONT.
        stamp_ns: exposure mid-point.
        received_ns: arrival in this process.
        encoding: one of `ENCODINGS`; `h264` is one Annex B access unit of a stream without B frames.
        data: read-only uint8: encoded bytes as (n,), or pixels: (h, w, 3) for rgb8/bgr8, (h, w) mono8, (h*3/2, w) nv12, (h, w, 2) yuyv.
    """

    camera: str
    stamp_ns: int
    received_ns: int
    encoding: str
    data: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"encoding {self.encoding!r} of {self.camera} is not one of {', '.join(ENCODINGS)}")
        if self.data.flags.writeable:
            raise ValueError(f"frame data of {self.camera} is writeable; hand over read-only arrays")


@dataclass(frozen=True)
class FrameSet:
    """Preprocessed images that belong together, one per view of the policy.

    Attributes:
        stamp_ns: oldest exposure of the set.
        digest: digest of the preprocessing that made the images.
        cameras: camera of each view, in the policy's order.
        exposure_ns: (views,) exposure of each view, 0 without image.
        valid: (views,) False where the view has no image; its pixels are zero.
        images: graph input → read-only uint8 (n, 3, h, w), RGB; views of equal size stacked in the policy's order.
        addresses: graph input → address of its buffer where it was made; consumers compare to count copies.
        stages: times so far.
    """

    stamp_ns: int
    digest: str
    cameras: tuple[str, ...]
    exposure_ns: tuple[int, ...]
    valid: tuple[bool, ...]
    images: Mapping[str, NDArray[np.uint8]]
    addresses: Mapping[str, int] = field(default_factory=dict)
    stages: Stages = field(default_factory=Stages)

    def __post_init__(self) -> None:
        if not len(self.cameras) == len(self.exposure_ns) == len(self.valid):
            raise ValueError(f"{len(self.cameras)} cameras, {len(self.exposure_ns)} exposures and {len(self.valid)} flags in a frame set")
        for name, images in self.images.items():
            if images.flags.writeable:
                raise ValueError(f"images {name!r} of a frame set are writeable; hand over read-only arrays")
            if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
                raise ValueError(f"images {name!r} of a frame set are {images.dtype}{images.shape}, expected uint8 (n, 3, h, w)")
