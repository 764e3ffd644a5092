"""Pictures of real lenses → what a policy sees: undistorted, shrunk, uint8 NCHW RGB, in one pass.

quality: remap to twice the target, then area-average. fast: area-average first, then remap straight to the target. Both look the pixels up through
maps that are built once. OpenCV's own threads are off in Heron (see `limit_opencv_threads`): cameras are spread over threads instead.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_camera.decode import decode_jpeg
from heron_camera.picture import DecodedFrame, Picture, PictureError, Plane, raw_picture
from heron_camera.views import Mode, VirtualCamera, check_views, density, pixel_coordinates
from heron_core.arrays import address, read_only
from heron_core.frames import CameraFrame, FrameSet
from heron_core.rig import Rig, RigCamera
from heron_core.stages import Stages

SCHEMA = 1  # raise it when the same settings give other pixels than before
_OVERSAMPLE: Mapping[Mode, int] = {"quality": 2, "fast": 1}
_OUTSIDE = -10000.0  # a coordinate that no image has: becomes the border colour
_IDLE_REFERENCES = 3  # the pool's list, the loop's variable and getrefcount's argument

Image = NDArray[np.uint8]
Member = CameraFrame | DecodedFrame


def limit_opencv_threads() -> None:
    """One thread per OpenCV call in this process: seven cameras already fill the cores, and a pool inside each call only adds jitter."""
    cv2.setNumThreads(1)


@dataclass(frozen=True)
class Prepared:
    """Preprocessed images of one moment.

    Attributes:
        images: graph input → read-only uint8 (n, 3, h, w), RGB.
        valid: per view, False where it has no image (its pixels are zero).
        exposure_ns: per view, 0 without image.
        faults: camera → why its frame could not be used.
    """

    images: Mapping[str, Image]
    valid: tuple[bool, ...]
    exposure_ns: tuple[int, ...]
    faults: Mapping[str, str]


class _BufferPool:
    """Buffers of one graph input. One is used anew when nobody outside holds it or a part of it any more."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._buffers: list[Image] = []

    def take(self) -> Image:
        for buffer in self._buffers:
            if sys.getrefcount(buffer) <= _IDLE_REFERENCES:
                return buffer
        self._buffers.append(np.zeros(self._shape, np.uint8))
        return self._buffers[-1]

    def __len__(self) -> int:
        return len(self._buffers)


class ViewSampler:
    """Fills one view from pictures of its camera.

    Args:
        view: what the policy wants.
        camera: what feeds it.
        mode: quality or fast.
    """

    def __init__(self, view: VirtualCamera, camera: RigCamera, mode: Mode) -> None:
        self.view = view
        self.lens = camera.lens
        self._fine = fine = _OVERSAMPLE[mode]
        self._grids = {grid: pixel_coordinates(camera.lens, view.lens, view.rotation_in(camera), grid) for grid in {1, fine}}
        self.reduce = 1  # how much smaller than the camera's image the pixels may be that the maps read
        while self.reduce < 8 and density(self._grids[1]) >= 2 * self.reduce * fine:
            self.reduce *= 2
        self._maps: dict[tuple[int, int, int], tuple[NDArray[np.int16], NDArray[np.uint16]]] = {}
        self._scratch: dict[tuple[int, ...], Image] = {}

    def fill(self, picture: Picture, out: Image) -> None:
        """Writes the view into `out`, (3, height, width) uint8 RGB."""
        rgb = self._from_yuv(picture) if picture.layout == "yuv" else self._sample(picture.planes[0], (0, 0, 0), 0)
        if picture.layout == "mono":
            out[:] = rgb
        else:
            order = (2, 0, 1, 1, 0, 2) if picture.layout == "bgr" else (0, 0, 1, 1, 2, 2)
            cv2.mixChannels([rgb], [out[0], out[1], out[2]], order)

    def _from_yuv(self, picture: Picture) -> Image:
        black = 0 if picture.full_range else 16
        parts = [self._sample(picture.planes[0], (black,), 0)]
        parts += [self._sample(plane, (128, 128), i) for i, plane in enumerate(picture.planes[1:], 1)]
        merged: Image = cv2.transform(cv2.merge(parts), rgb_matrix(picture.full_range, picture.bt709))
        return merged

    def _sample(self, plane: Plane, border: tuple[int, ...], slot: int) -> Image:
        """One plane at the view's size. `slot` keeps the scratch images of the planes of one picture apart."""
        pixels, step_x, step_y = plane.pixels, plane.step_x, plane.step_y
        shrink_x, shrink_y = max(1, self.reduce // step_x), max(1, self.reduce // step_y)
        if shrink_x > 1 or shrink_y > 1:
            height, width = pixels.shape[0] // shrink_y, pixels.shape[1] // shrink_x
            whole = pixels[: height * shrink_y, : width * shrink_x]
            pixels = cv2.resize(whole, (width, height), dst=self._room(height, width, pixels, slot), interpolation=cv2.INTER_AREA)
            step_x, step_y = step_x * shrink_x, step_y * shrink_y
        # Pixels coarser than wanted (chroma, a picture that came reduced) gain nothing from a finer grid.
        fine = self._fine if max(step_x, step_y) <= self.reduce else 1
        height, width = self.view.height * fine, self.view.width * fine
        maps = self._map(step_x, step_y, fine)
        sampled: Image = cv2.remap(
            pixels, *maps, cv2.INTER_LINEAR, dst=self._room(height, width, pixels, slot), borderMode=cv2.BORDER_CONSTANT, borderValue=border
        )
        if fine > 1:
            room = self._room(self.view.height, self.view.width, pixels, slot)
            sampled = cv2.resize(sampled, (self.view.width, self.view.height), dst=room, interpolation=cv2.INTER_AREA)
        return sampled

    def _room(self, height: int, width: int, like: Image, slot: int) -> Image:
        shape = (slot, height, width, *like.shape[2:])
        if shape not in self._scratch:
            self._scratch[shape] = np.empty(shape[1:], np.uint8)
        return self._scratch[shape]

    def _map(self, step_x: int, step_y: int, fine: int) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
        key = (step_x, step_y, fine)
        if key not in self._maps:
            steps = np.array([step_x, step_y], np.float32)
            scaled = (self._grids[fine] + np.float32(0.5)) / steps - np.float32(0.5)
            self._maps[key] = cv2.convertMaps(np.nan_to_num(scaled, nan=_OUTSIDE).clip(_OUTSIDE, -_OUTSIDE), None, cv2.CV_16SC2)
        return self._maps[key]


class Preprocessor:
    """Camera frames → the images of a policy's views.

    Args:
        rig: the car's cameras.
        views: what the policy wants, in its order.
        mode: quality or fast; use the mode that the policy was trained with.
        threads: cameras worked on at once. The pixels do not depend on it.

    Raises:
        RigMismatchError: the rig cannot feed the views.
    """

    def __init__(self, rig: Rig, views: Sequence[VirtualCamera], mode: Mode = "quality", threads: int = 1) -> None:
        check_views(views, rig)
        self.views = tuple(views)
        self.mode: Mode = mode
        self._rig = rig
        self._samplers = [ViewSampler(view, rig.cameras[view.camera], mode) if view.camera in rig.cameras else None for view in views]
        self._rows = [sum(other.input == view.input for other in self.views[:i]) for i, view in enumerate(self.views)]
        self._pools = {
            name: _BufferPool((sum(view.input == name for view in self.views), 3, first.height, first.width))
            for name, first in {view.input: view for view in reversed(self.views)}.items()
        }
        self._digest = self.digest()
        self._threads = ThreadPoolExecutor(threads, "preprocess") if threads > 1 else None

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras of the rig that feed at least one view, in the order of the views."""
        return tuple(dict.fromkeys(view.camera for view in self.views if view.camera in self._rig.cameras))

    def digest(self) -> str:
        """SHA-256 over everything that decides the pixels: code schema, mode, views, and the lenses and axes that feed them."""
        description = {
            "schema": SCHEMA,
            "mode": self.mode,
            "views": [{k: v for k, v in asdict(view).items() if k not in ("required", "tolerance", "position_m")} for view in self.views],
            "lenses": {name: asdict(self._rig.cameras[name].lens) for name in sorted(self.cameras)},
            "axes": {name: self._rig.cameras[name].pose.rotation.tolist() for name in sorted(self.cameras)},
        }
        return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()

    def run(self, members: Mapping[str, Member]) -> Prepared:
        """Images of `members` (camera → frame); a view without a usable frame is black and not valid."""
        buffers = {name: pool.take() for name, pool in self._pools.items()}
        outputs = [buffers[view.input][row] for view, row in zip(self.views, self._rows, strict=True)]
        used = [name for name in self.cameras if name in members]
        faults = {}
        run = self._threads.map if self._threads else map
        for name, fault in zip(used, run(lambda camera: self._fill_camera(members[camera], outputs), used), strict=True):
            if fault:
                faults[name] = fault
        valid = tuple(view.camera in members and view.camera in self.cameras and view.camera not in faults for view in self.views)
        for output, good in zip(outputs, valid, strict=True):
            if not good:
                output[:] = 0
        exposure_ns = tuple(members[view.camera].stamp_ns if good else 0 for view, good in zip(self.views, valid, strict=True))
        return Prepared({name: read_only(buffer[:]) for name, buffer in buffers.items()}, valid, exposure_ns, faults)

    def frame_set(self, prepared: Prepared, stages: Stages) -> FrameSet:
        """The frame set of `prepared`; its stamp is the oldest exposure.

        Raises:
            PictureError: no view has an image.
        """
        exposures = [stamp for stamp, good in zip(prepared.exposure_ns, prepared.valid, strict=True) if good]
        if not exposures:
            raise PictureError("no camera of the set has a usable image: " + "; ".join(f"{k}: {v}" for k, v in prepared.faults.items()))
        return FrameSet(
            stamp_ns=min(exposures),
            digest=self._digest,
            cameras=tuple(view.camera for view in self.views),
            exposure_ns=prepared.exposure_ns,
            valid=prepared.valid,
            images=prepared.images,
            addresses={name: address(images) for name, images in prepared.images.items()},
            stages=stages,
        )

    @property
    def buffers(self) -> int:
        """Image buffers made so far; stays small as long as consumers let go of what they were given."""
        return sum(len(pool) for pool in self._pools.values())

    def close(self) -> None:
        """Ends the threads."""
        if self._threads:
            self._threads.shutdown()

    def _fill_camera(self, frame: Member, outputs: Sequence[Image]) -> str | None:
        samplers = [(i, sampler) for i, sampler in enumerate(self._samplers) if sampler is not None and self.views[i].camera == frame.camera]
        lens = self._rig.cameras[frame.camera].lens
        try:
            picture = self._picture(frame, min(sampler.reduce for _, sampler in samplers))
            picture.check_size(lens.width, lens.height)
        except PictureError as error:
            return str(error)
        for i, sampler in samplers:
            sampler.fill(picture, outputs[i])
        return None

    def _picture(self, frame: Member, reduce: int) -> Picture:
        if isinstance(frame, DecodedFrame):
            return frame.picture
        if frame.encoding == "jpeg":
            return decode_jpeg(frame.data, reduce)
        return raw_picture(frame)


def rgb_matrix(full_range: bool, bt709: bool) -> NDArray[np.float32]:
    """(3, 4) from (y, u, v, 1) in 0..255 to RGB in 0..255 (ITU-R BT.601 and BT.709)."""
    kr, kb = (0.2126, 0.0722) if bt709 else (0.299, 0.114)
    kg = 1.0 - kr - kb
    luma, chroma = (1.0, 1.0) if full_range else (255.0 / 219.0, 255.0 / 224.0)
    offset = 0.0 if full_range else 16.0
    to_r, to_b = 2 * (1 - kr) * chroma, 2 * (1 - kb) * chroma
    rows = np.array([[luma, 0, to_r], [luma, -to_b * kb / kg, -to_r * kr / kg], [luma, to_b, 0]])
    return np.hstack([rows, rows @ [[-offset], [-128.0], [-128.0]]]).astype(np.float32)
