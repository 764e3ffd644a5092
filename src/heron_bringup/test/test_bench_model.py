"""The model's benchmark measures what it says."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from heron_bringup import bench, bench_model
from heron_core.policy import PolicyInput
from heron_vla.folder import load_policy
from heron_vla.kinematic import write_kinematic
from heron_vla.session import OnnxPolicy

pytestmark = pytest.mark.alone


def burn(seconds: float) -> None:
    """Works for so much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_works_take_turns_and_only_cpu_time_counts() -> None:
    order: list[str] = []

    def light() -> None:
        order.append("light")
        burn(0.002)

    def heavy() -> None:
        order.append("heavy")
        burn(0.006)
        time.sleep(0.004)

    found = bench_model.interleaved({"light": light, "heavy": heavy}, 3, least_s=0.012)
    assert 1.9 < found["light"] < 3.0
    assert 5.9 < found["heavy"] < 8.0
    rounds = order[6:]  # after three calls of each, to learn how often they fit into a turn
    calls = rounds.index("heavy"), rounds[rounds.index("heavy") :].index("light")
    assert rounds == (["light"] * calls[0] + ["heavy"] * calls[1]) * 3
    assert calls[0] > calls[1] >= 1


def test_figures_of_a_policy(tmp_path: Path) -> None:
    found = bench_model.figures(write_kinematic(tmp_path / "kinematic"), plans=2)
    assert (found["policy"], found["views"], found["driver"]) == ("kinematic", 7, "the only graph")
    costs = [found["onnxruntime_cpu_ms"], found["openvino_cpu_ms"]]
    assert min(costs) > 0.0
    assert found["plan_cpu_ms"] == found["driver_cpu_ms"] == found[f"{found['backend']}_cpu_ms"]
    assert found["best_backend_ratio"] == pytest.approx(found["plan_cpu_ms"] / min(costs), abs=0.05)


def test_a_navigator_alone_has_no_figure_for_a_driver(tmp_path: Path) -> None:
    folder = write_kinematic(tmp_path / "navigator")
    text = (folder / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(text.replace("  driver:\n", "  navigator:\n"))
    found = bench_model.figures(folder, plans=1)
    assert found["driver_cpu_ms"] is None
    assert found["driver"].startswith("none")
    assert found["plan_cpu_ms"] > 0.0


def test_every_view_has_an_image_that_is_read_where_it_lies(tmp_path: Path) -> None:
    folder = load_policy(write_kinematic(tmp_path / "kinematic"))
    request = bench_model.sample_request(folder)
    assert {name: images.shape for name, images in request.frames.images.items()} == folder.image_shapes
    assert all(images.std() > 50.0 for images in request.frames.images.values()), "a picture, not a blank"
    for backend in bench_model.BACKENDS:
        assert np.isfinite(OnnxPolicy(folder, threads=1, backend=backend).plan(request)).all()
    assert isinstance(request, PolicyInput)


def test_the_shipped_policy_is_measured_or_the_baseline_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Path] = []
    monkeypatch.setattr(bench_model, "figures", lambda path: measured.append(path) or {"policy": path.name})
    monkeypatch.setattr(bench_model, "shipped_policy", lambda: tmp_path / "driveheron")
    assert bench.bench("model")() == {"model": {"policy": "driveheron"}}
    monkeypatch.setattr(bench_model, "shipped_policy", lambda: None)
    monkeypatch.setattr(bench_model, "cache_folder", lambda: tmp_path)
    assert bench.bench("model")() == {"model": {"policy": "kinematic"}}
    assert measured[1] == tmp_path / "policies" / "kinematic"
