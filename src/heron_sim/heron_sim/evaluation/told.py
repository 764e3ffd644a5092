"""What was explained in a drive and what there was to explain: raw, as JSON in the drive's row. Whether it is true is judged by who can read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heron_sim.driving.episode import TRACK, Episode
from heron_sim.driving.explain import Explanation
from heron_sim.driving.policy_driver import Said
from heron_vla.consistency import driven
from heron_vla.telling import STABLE_NS

DIGITS = 3  # millimetres and milliseconds are enough


def told(episode: Episode, said: Sequence[Said] | None) -> dict[str, Any]:
    """The key `told` of a row.

    Args:
        episode: that was driven.
        said: what the policy said; None: the expert drove, and its own explanations are taken as if a car had told them.

    Returns:
        said: each explanation (one without reason and words: that before is over): time_s, reason, english, japanese; how the car moved
            (speed_mps, accel_mps2, yaw_rate_rps); followed: (40, 4) x, y, yaw, speed that was then driven, by whomever, in base_link of the moment,
            or None where the drive ended before a plan would.
        scene: (time_s, reason, english sentence) of the expert, asked about the same truths: what matters in the scene, on change.
        until_s: when the drive ended.
    """
    track = episode.track
    if len(track) < 2:  # ended at once
        found = []
    elif said is None:
        found = [(time_s, each.reason.value, each.english, each.japanese) for time_s, each in _when_told(episode)]
    else:
        found = [(each.time_s, each.reason, each.speech.english, each.speech.japanese) for each in said]
    return {
        "said": [
            {"time_s": round(time_s, DIGITS), "reason": reason, "english": english, "japanese": japanese, **_motion(track, time_s)}
            for time_s, reason, english, japanese in found
        ],
        "scene": [_line(time_s, each) for time_s, each in episode.scene],
        "until_s": round(float(track[-1, 0]), DIGITS) if len(track) else 0.0,
    }


def _when_told(episode: Episode) -> list[tuple[float, Explanation]]:
    """The expert's changes of mind when a car would tell them (`heron_vla.telling`), if they last so long; what it began with is no change."""
    said, stable_s = episode.explanations, STABLE_NS / 1e9
    ends = [*(time_s for time_s, _ in said), float(episode.track[-1, 0])][1:]
    return [(time_s + stable_s, each) for (time_s, each), end_s in list(zip(said, ends, strict=True))[1:] if end_s >= time_s + stable_s]


def _line(time_s: float, said: Explanation) -> tuple[float, str, str]:
    return round(time_s, DIGITS), said.reason.value, said.english


def _motion(track: NDArray[np.float64], time_s: float) -> dict[str, Any]:
    """How the car moves at a moment of the track, and what it drives then."""
    column = {name: track[:, i] for i, name in enumerate(TRACK)}
    times = column["time_s"]
    i = int(np.clip(np.searchsorted(times, time_s - 1e-6), 1, len(times) - 1))
    turned = np.unwrap(column["yaw_rad"][i - 1 : i + 1])
    followed = driven(times, np.stack([column["x_m"], column["y_m"], column["yaw_rad"]], 1), column["speed_mps"], time_s)
    return {
        "speed_mps": round(float(column["speed_mps"][i]), DIGITS),
        "accel_mps2": round(float(column["accel_mps2"][i]), DIGITS),
        "yaw_rate_rps": round(float((turned[1] - turned[0]) / (times[i] - times[i - 1])), DIGITS),
        "followed": None if followed is None else np.round(followed, DIGITS).tolist(),
    }
