"""The bench on small pictures: its keys, and that quality mode keeps the quality of plain undistortion."""

from __future__ import annotations

import dataclasses

import pytest
from camera_fixtures import demo_rig

from heron_camera.bench import run
from heron_core.rig import Rig


def test_figures_of_a_small_rig() -> None:
    cameras = {
        name: dataclasses.replace(camera, lens=camera.lens.scaled(0.25))
        for name, camera in demo_rig().cameras.items()
        if name in ("CAM_FRONT", "CAM_FRONT_LEFT")
    }
    figures = run(Rig("small", cameras), rounds=1, target=112)
    assert {"quality_speedup", "quality_psnr_delta_db", "fast_speedup"} <= set(figures)
    assert figures["quality_psnr_delta_db"] > -0.5


@pytest.mark.slow
def test_the_promised_ratios() -> None:
    figures = run(rounds=3)
    assert figures["quality_speedup"] >= 4 and figures["fast_speedup"] >= 12
    assert figures["quality_psnr_delta_db"] >= -0.5
