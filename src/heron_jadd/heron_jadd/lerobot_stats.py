"""Statistics of an episode's features and of all episodes together, as LeRobot's `compute_stats.py` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Stats = dict[str, Any]
QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
LEAST_IMAGES, MOST_IMAGES = 100, 10_000
SMALL_PX = 150  # images of 300 pixels and more are thinned to about that


def of_numbers(values: NDArray[Any]) -> Stats:
    """Of a feature's (n,) or (n, k) values: each statistic has k entries, count one."""
    rows = np.asarray(values, np.float64).reshape(len(values), -1)
    found: Stats = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0), "count": np.array([len(rows)])}
    quantiles = dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))
    return {name: each.tolist() for name, each in {**found, **quantiles}.items()}


class Pictures:
    """Of a camera's images, of which some are looked at: n of them, 100 at least if there are, n^0.75 of more.

    Args:
        count: images of the episode.
    """

    def __init__(self, count: int) -> None:
        wanted = max(min(LEAST_IMAGES, count), min(int(count**0.75), MOST_IMAGES))
        self._chosen = set(np.round(np.linspace(0, count - 1, wanted)).astype(int).tolist())
        self._counts = np.zeros((3, 256), np.int64)
        self._images = 0

    def see(self, index: int, image: NDArray[np.uint8]) -> None:
        """The image (h, w, 3) BGR of a step."""
        if index not in self._chosen:
            return
        height, width = image.shape[:2]
        thin = int(max(width, height) / SMALL_PX) if max(width, height) >= 2 * SMALL_PX else 1
        small = image[::thin, ::thin]
        for channel in range(3):
            self._counts[channel] += np.bincount(small[..., 2 - channel].ravel(), minlength=256)
        self._images += 1

    def stats(self) -> Stats:
        """Of red, green and blue from 0 to 1, shape (3, 1, 1)."""
        levels = np.arange(256) / 255.0
        total = self._counts.sum(1, keepdims=True)
        mean = (self._counts * levels).sum(1, keepdims=True) / total
        std = np.sqrt((self._counts * (levels - mean) ** 2).sum(1, keepdims=True) / total)
        there = self._counts > 0
        found = {"min": levels[there.argmax(1)], "max": levels[255 - there[:, ::-1].argmax(1)], "mean": mean, "std": std}
        cumulated = self._counts.cumsum(1)
        for name, share in QUANTILES.items():
            found[name] = levels[(cumulated >= share * total).argmax(1)]
        shaped: Stats = {name: each.reshape(3, 1, 1).tolist() for name, each in found.items()}
        return shaped | {"count": [self._images]}


def joined(parts: Sequence[Stats]) -> Stats:
    """Of several episodes' statistics of a feature.

    Mean and standard deviation by the parallel algorithm (Chan et al. 1979). Quantiles of the whole do not follow from those of its parts: as LeRobot
    does, the least of the lower ones and the greatest of the upper ones.
    """
    arrays = [{name: np.array(value, np.float64) for name, value in part.items()} for part in parts]
    shape = arrays[0]["mean"].shape
    counts = np.array([each["count"][0] for each in arrays]).reshape(-1, *[1] * len(shape))
    stacked = {name: np.stack([each[name] for each in arrays]) for name in arrays[0] if name != "count"}
    total = counts.sum(0)
    mean = (stacked["mean"] * counts).sum(0) / total
    variance = ((stacked["std"] ** 2 + (stacked["mean"] - mean) ** 2) * counts).sum(0) / total
    found: Mapping[str, F64] = {"min": stacked["min"].min(0), "max": stacked["max"].max(0), "mean": mean, "std": np.sqrt(variance)}
    quantiles = {name: stacked[name].min(0) if share <= 0.5 else stacked[name].max(0) for name, share in QUANTILES.items()}
    return {name: each.tolist() for name, each in {**found, **quantiles}.items()} | {"count": [int(counts.sum())]}
