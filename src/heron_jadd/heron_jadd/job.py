"""One scene to be made: what decides its content, and where that lies. A job is plain data, so that any engine can carry it to any process."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_jadd.config import NS, JaddConfig
from heron_jadd.labelling import labeller_of
from heron_jadd.lenses import profile_of
from heron_jadd.recording import Recording
from heron_jadd.split import Scene
from heron_jadd.tokens import digest, token

SCENES, MANIFEST = "scenes", "manifest.json"
# Parameters that a scene's content does not know.
OF_THE_WHOLE = ("version", "location", "scene_s", "shortest_s", "across_engagement", "keep", "val_share", "val_by", "lidar_placeholder")


@dataclass(frozen=True)
class Job:
    """A scene of a recording, as a dataset wants it.

    Attributes:
        recording: where it comes from.
        scene: which stretch.
        config: parameters.
        store: folder of all scenes.
        track: file of the recording's fused poses, where the scene wants them.
    """

    recording: Recording
    scene: Scene
    config: JaddConfig
    store: Path
    track: Path = Path()

    @property
    def token(self) -> str:
        """Of the scene: the same at every rate and with every kind of image."""
        return token("scene", self.recording.identity, self.scene.start_ns, self.scene.end_ns)

    @property
    def profile(self) -> str:
        """Of its images."""
        return profile_of(self.config)

    @property
    def product(self) -> str:
        """16 hex digits of all parameters that its content depends on: datasets that share them share the scene.

        Raises:
            InputError: the labeller cannot be imported.
        """
        values = {name: value for name, value in dataclasses.asdict(self.config).items() if name not in OF_THE_WHOLE}
        if self.recording.lidar is None:
            del values["lidar"]
        name = values.pop("labeller")
        if name and self.config.boxes:
            values["labeller"] = name, labeller_of(name).version
        return digest((sorted(values.items()), tuple(self.recording.cameras), self.track.name))

    @property
    def grid_ns(self) -> NDArray[np.int64]:
        """Times for which each camera's nearest image is wanted: those of the rate, and those of the samples."""
        scene, config = self.scene, self.config
        keys = np.arange(scene.start_ns, scene.end_ns + 1, config.key_ns, dtype=np.int64)
        count = int((scene.end_ns - scene.start_ns) * config.rate_hz / NS + 1e-6) + 1
        return np.union1d(keys, scene.start_ns + np.round(np.arange(count) * (NS / config.rate_hz)).astype(np.int64))

    @property
    def home(self) -> Path:
        """Folder of the scene: its images, and a folder for each product."""
        return self.store / SCENES / self.token

    @property
    def images(self) -> Path:
        """Folder of its images of this profile."""
        return self.home / f"images-{self.profile}"

    @property
    def folder(self) -> Path:
        """Folder of its tables; it is there when the scene is done."""
        return self.home / self.product

    def manifest(self) -> dict[str, Any] | None:
        """What was made, or None while the scene is not done."""
        path = self.folder / MANIFEST
        if not path.is_file():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
