"""The car's cameras: what is there, through their lenses, as JPEG."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import read_only
from heron_core.frames import CameraFrame
from heron_core.rig import Rig
from heron_core.truth import Truth
from heron_sim.config import WeatherConfig
from heron_sim.drawing.rays import camera_view
from heron_sim.drawing.renderer import Renderer
from heron_sim.roads.town import Town


class Cameras:
    """All cameras of a rig, exposed at one moment."""

    def __init__(self, town: Town, rig: Rig, weather: WeatherConfig, seed: int, jpeg_quality: int, threads: int) -> None:
        """Compiles the ray-caster where that was not done before.

        Args:
            town: what stands about.
            rig: lenses and places; pictures are as large as they say.
            weather: light and air.
            seed: of the sensors' noise.
            jpeg_quality: 1 … 100.
            threads: that encode.
        """
        self.rig = rig
        views = {name: camera_view(camera) for name, camera in rig.cameras.items()}
        self._renderer = Renderer(town, views, weather, seed)
        self._quality = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
        self._pool = ThreadPoolExecutor(threads, "jpeg")

    def frames(self, truth: Truth) -> list[CameraFrame]:
        """One frame per camera, stamped with the truth's moment; encoded once, so that who sees them and who records them get the same bytes."""
        pictures = self._renderer.render(truth)
        encoded = self._pool.map(self._encode, [picture.image for picture in pictures.values()])
        return [CameraFrame(name, truth.stamp_ns, truth.stamp_ns, "jpeg", data) for name, data in zip(pictures, encoded, strict=True)]

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    def _encode(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return read_only(cv2.imencode(".jpg", image, self._quality)[1].reshape(-1))
