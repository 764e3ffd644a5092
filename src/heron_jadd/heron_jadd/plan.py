"""Which scenes a dataset takes of a recording, and where their poses come from, before anything is made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from heron_jadd.config import JaddConfig, PoseSource
from heron_jadd.job import Job
from heron_jadd.recording import Recording
from heron_jadd.split import split
from heron_jadd.tracks import track_file


def source_of(recording: Recording, config: JaddConfig) -> PoseSource:
    """Where the poses come from; never `auto`."""
    if config.pose != "auto":
        return config.pose
    return "fusion" if recording.fusible else "odometry"


def jobs_of(recording: Recording, out: Path, config: JaddConfig) -> tuple[list[Job], float]:
    """Scenes in order, and seconds of the recording that are in none."""
    source, parts = source_of(recording, config), split(recording, config)
    track = track_file(out, recording) if source == "fusion" else Path()
    return [Job(recording, scene, dataclasses.replace(config, pose=source), out, track) for scene in parts.scenes], parts.left_out_s
