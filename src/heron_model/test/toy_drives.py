"""A DriveHeron of a few thousand weights, and folders of samples that it learns from in no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from heron_model.config import LanguageConfig, ModelConfig, VisionConfig
from heron_model.layout import views
from heron_model.sample_writer import blank, describe_folder, encode, write_rows
from heron_model.train.config import TrainConfig
from heron_vla.kinematic import constant_turn

SMALL = ModelConfig(
    vision=VisionConfig(hidden=32, layers=1, heads=2, intermediate=32),
    language=LanguageConfig(hidden=32, layers=1, heads=2, kv_heads=1, intermediate=32),
    signal_channels=16,
    plan_queries=2,
)
CONFIG = TrainConfig(samples=16, batch=4, epoch_samples=8, warm_up=4, checkpoint_min=0.0, log_s=0.0)


def drives(folder: Path, files: int = 3, rows: int = 4, seed: int = 0) -> Path:
    """A folder of samples: cars on arcs."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    for file in range(files):
        drive(folder / f"drive_{file}.parquet", rows, random)
    describe_folder(folder, views(), "test")
    return folder


def drive(path: Path, rows: int, random: np.random.Generator) -> None:
    """One file; the pictures are flat and tell the turn."""
    made = []
    for index in range(rows):
        speed, rate = random.uniform(3, 12), random.uniform(-0.3, 0.3)
        row = blank(index) | {"labelled": True, "manoeuvre": "follow", "reason": "cruise", "english": "Driving on.", "japanese": "進みます。"}
        row |= {"trajectory": constant_turn(speed, rate).reshape(-1).tolist(), "ego_hist": [speed, rate, 0.0] * 8, "past": max(index - 1, 0)}
        grey = int(128 + 300 * rate)
        row |= {f"view_{i}": encode(np.full((3, view.height, view.width), grey, np.uint8), 90) for i, view in enumerate(views())}
        made.append(row)
    write_rows(path, made)
