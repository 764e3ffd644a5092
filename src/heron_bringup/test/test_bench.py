"""Benchmarks measure what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heron_bag.native import camera_frames, camera_topics
from heron_bag.reader import open_bag
from heron_bringup import bench
from heron_bringup.bench_pipeline import bare_step
from heron_bringup.config import GeneratedConfig
from heron_bringup.generated import generate
from heron_bringup.paths import config_folder
from heron_camera.preprocess import Preprocessor
from heron_camera.views import load_preprocessing, load_views
from heron_core.rig import load_rig
from heron_vla.kinematic import write_kinematic

VEHICLE = config_folder() / "vehicle" / "demo"


@pytest.mark.parametrize("name", bench.BENCHES)
def test_every_name_has_its_function(name: str) -> None:
    assert callable(bench.bench(name))


def test_figures_stand_under_the_benchmarks_name(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles: list[Path] = []

    def handover(profile: Path) -> dict[str, Any]:
        profiles.append(profile)
        return {"handover": {"lost": 0}}

    monkeypatch.setattr("heron_camera.bench.run", lambda rig: {"fast_speedup": 12.34567, "cameras": float(len(rig.cameras))})
    monkeypatch.setattr("heron_runtime.bench.run", handover)
    assert bench.bench("preprocess")() == {"preprocess": {"fast_speedup": 12.346, "cameras": 7.0}}
    assert bench.bench("handover")() == {"handover": {"lost": 0}}
    assert profiles[0].is_file()


def test_the_bare_loop_makes_the_very_images_that_perception_makes(tmp_path: Path) -> None:
    generate(tmp_path / "bag", VEHICLE, GeneratedConfig(seconds=0.1, scale=0.1), lambda done, total: None, workers=1)
    policy = write_kinematic(tmp_path / "kinematic")
    step, images = bare_step(tmp_path / "bag", VEHICLE, policy)
    step(3)
    rig, description = load_rig(VEHICLE / "rig.yaml"), policy / "policy.yaml"
    preprocessor = Preprocessor(rig, load_views(description, rig), load_preprocessing(description).mode)
    with open_bag(tmp_path / "bag") as bag:
        frames = {frame.camera: frame for _, frame in camera_frames(bag, camera_topics(bag))}
    prepared = preprocessor.run(frames)
    assert all(prepared.valid)
    for name, expected in prepared.images.items():
        assert expected.any()
        np.testing.assert_array_equal(images[name][0], expected)
