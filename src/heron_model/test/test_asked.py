"""Instructions that samples are given, and trajectories that follow them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from heron_model.asked import as_given, ask, slower, stopping

SPEED = 8.0


def straight(speed: float = SPEED) -> np.ndarray:
    times = np.arange(1, 41) * 0.1
    return np.stack([speed * times, 0.1 * times, np.zeros(40), np.full(40, speed)], 1).astype(np.float32)


def row(manoeuvre: str = "left", text: str = "") -> dict[str, object]:
    return {"manoeuvre": manoeuvre, "text": text, "trajectory": straight().reshape(-1).tolist(), "ego_hist": [SPEED, 0.0, 0.0] * 8}


def test_stop_means_stop_on_the_same_path() -> None:
    points = straight()
    stopped = stopping(points, SPEED, 2.2)
    assert stopped[-1, 3] < 0.1
    assert (np.diff(stopped[:, 0]) >= -1e-5).all()
    assert (stopped[:, 0] <= points[:, 0] + 1e-5).all()
    np.testing.assert_allclose(stopped[:, 1], stopped[:, 0] / SPEED * 0.1, atol=1e-3)  # the path is the same


def test_slow_is_slower_and_never_faster() -> None:
    points = straight()
    slow = slower(points, SPEED)
    assert 0.5 * SPEED < slow[-1, 3] < 0.7 * SPEED
    assert (slow[:, 3] <= points[:, 3] + 1e-6).all()


def test_who_stands_anyway_stays() -> None:
    standing = np.zeros((40, 4), np.float32)
    assert not stopping(standing, 0.0, 2.0).any()
    assert not slower(standing, 0.0).any()


def test_each_kind_of_instruction_comes_and_fits_its_command() -> None:
    kinds: Counter[tuple[str, str]] = Counter()
    for seed in range(600):
        asked = ask(row(), straight(), np.random.default_rng(seed))
        kinds[asked.manoeuvre, asked.intent] += 1
        assert bool(asked.text) == (asked.intent != "none")
        if asked.intent in ("declined", "unknown", "none", "left"):
            np.testing.assert_array_equal(asked.points, straight())
    assert kinds["left", "none"] > 150
    assert kinds["left", "left"] > 70
    assert kinds["follow", "left"] > 100  # the sentence alone has to tell
    assert {intent for _, intent in kinds} == {"none", "left", "declined", "unknown", "stop", "slow"}
    assert not [pair for pair in kinds if pair[0] == "follow" and pair[1] != "left"]


def test_a_sample_with_a_sentence_of_its_own_keeps_it() -> None:
    found = ask(row(text="to the station, please"), straight(), np.random.default_rng(1))
    assert (found.text, found.intent, found.manoeuvre) == ("to the station, please", "", "left")


@pytest.mark.parametrize("manoeuvre", ["reverse", ""])
def test_an_unknown_manoeuvre_is_followed_as_the_road_goes(manoeuvre: str) -> None:
    assert as_given(row(manoeuvre)).manoeuvre == "follow"
