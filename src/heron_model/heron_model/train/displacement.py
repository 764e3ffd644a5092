"""How far a model's trajectories lie from what was driven, beside two baselines that see no picture.

The baselines know what the car did in the last moments. `kinematic` goes on with its turn rate and speed. `ego_status` has learnt, on the same
samples as the model, what usually follows: much of what an open-loop figure shows is that (Li et al., "Is Ego Status All You Need for Open-Loop
End-to-End Autonomous Driving?", CVPR 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heron_core.trajectory import POINTS, STEP_S
from heron_model.layout import EGO_COLUMNS, EGO_STEPS, MANOEUVRES
from heron_model.train.errors import DataError
from heron_vla.kinematic import constant_turn

HORIZONS_S = (1.0, 2.0, 4.0)
BASELINES = ("kinematic", "ego_status")
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # per sample, on features of unit variance; the best on the last fifth of the samples is taken
SCALES = (10.0, 0.5, 3.0)  # of speed, yaw rate, acceleration

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class EgoTable:
    """What baselines see, and what was driven.

    Attributes:
        history: (n, 8, 3) speed, yaw rate, acceleration, oldest first.
        command: (n,) index of the manoeuvre.
        driven: (n, 40, 4) x, y, yaw, speed in base_link.
    """

    history: F64
    command: NDArray[np.int64]
    driven: F64

    @staticmethod
    def read(files: Iterable[Path]) -> EgoTable:
        """All labelled samples of some Parquet files whose history and future are known.

        Raises:
            DataError: there is none.
        """
        parts = [_rows(path) for path in files]
        if not parts or not sum(len(part.command) for part in parts):
            raise DataError("no sample with a known history and future, so there is nothing to fit the ego status baseline on")
        return EgoTable(*(np.concatenate(columns) for columns in zip(*((p.history, p.command, p.driven) for p in parts), strict=True)))


def _rows(path: Path) -> EgoTable:
    try:
        table = pq.read_table(path, columns=["labelled", "ego_hist", "trajectory", "manoeuvre"])
        history = np.array(table["ego_hist"].to_pylist(), np.float64).reshape(-1, EGO_STEPS, len(EGO_COLUMNS))
        driven = np.array(table["trajectory"].to_pylist(), np.float64).reshape(-1, POINTS, 4)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a readable file of samples: {error}") from error
    command = np.array([MANOEUVRES.index(name) if name in MANOEUVRES else 0 for name in table["manoeuvre"].to_pylist()], np.int64)
    known = np.array(table["labelled"].to_pylist(), bool) & np.isfinite(history).all((1, 2)) & np.isfinite(driven).all((1, 2))
    return EgoTable(history[known], command[known], driven[known])


def displacement(predicted: F64, driven: F64) -> dict[str, float]:
    """`ade_1s` … `fde_4s` in metres: mean distance over the points up to a horizon, and at it.

    Args:
        predicted: (n, 40, 4) or more columns than x, y.
        driven: the same.
    """
    distance = np.linalg.norm(predicted[..., :2] - driven[..., :2], axis=-1)
    counts = {f"{horizon_s:g}s": round(horizon_s / STEP_S) for horizon_s in HORIZONS_S}
    averages = {f"ade_{name}": float(distance[:, :count].mean()) for name, count in counts.items()}
    return averages | {f"fde_{name}": float(distance[:, count - 1].mean()) for name, count in counts.items()}


def kinematic(history: F64) -> F64:
    """(n, 40, 4) of constant turn rate and speed after `history`, (n, 8, 3)."""
    return np.stack([constant_turn(float(now[0]), float(now[1])) for now in history[:, -1]])


class EgoStatus:
    """Ridge regression from driving history and manoeuvre to what is driven beyond the kinematic trajectory.

    Features: the history, products of its newest values and of their change, and all of these once more per manoeuvre.
    """

    def __init__(self, table: EgoTable) -> None:
        features = _features(table.history, table.command)
        self._mean, self._deviation = features.mean(0), features.std(0) + 1e-6
        known = self._standard(features)
        rest = (table.driven - kinematic(table.history)).reshape(len(known), -1)
        kept = max(1, len(known) * 4 // 5)
        places = [column for column in range(rest.shape[1]) if column % 4 < 2]  # x and y, as displacement counts them
        errors = [np.square(known[kept:] @ _ridge(known[:kept], rest[:kept], ridge) - rest[kept:])[:, places].sum() for ridge in RIDGES]
        self._weights = _ridge(known, rest, RIDGES[int(np.argmin(errors))])

    def predict(self, history: F64, command: NDArray[np.int64]) -> F64:
        """(n, 40, 4) trajectories."""
        rest = self._standard(_features(history, command)) @ self._weights
        return kinematic(history) + rest.reshape(-1, POINTS, 4)

    def _standard(self, features: F64) -> F64:
        return np.hstack([(features - self._mean) / self._deviation, np.ones((len(features), 1))])


def _ridge(known: F64, wanted: F64, ridge: float) -> F64:
    weights: F64 = np.linalg.solve(known.T @ known + ridge * len(known) * np.eye(known.shape[1]), known.T @ wanted)
    return weights


def _features(history: F64, command: NDArray[np.int64]) -> F64:
    scaled = history / np.array(SCALES)
    now, change = scaled[:, -1], scaled[:, -1] - scaled[:, 0]
    both = np.hstack([now, change])
    upper = np.triu_indices(both.shape[1])
    products = both[:, upper[0]] * both[:, upper[1]]
    plain = np.hstack([scaled.reshape(len(scaled), -1), products, products * now[:, :1], np.ones((len(scaled), 1))])
    return np.hstack([plain, *(plain * (command == index)[:, None] for index in range(len(MANOEUVRES)))])


class HeldOut:
    """Measures a model on held-out batches; a `heron_model.train.loop.Evaluate`.

    Args:
        batches: of samples as they were recorded; read anew each time, as pictures are large.
        learnt: what the ego status baseline learns from.

    Raises:
        DataError: no batch.
    """

    def __init__(self, batches: Callable[[], Iterable[Mapping[str, Tensor]]], learnt: EgoTable) -> None:
        self._batches, self._status = batches, EgoStatus(learnt)

    def __call__(self, model: nn.Module) -> dict[str, Any]:
        """`displacement` by who → figures, `samples_measured`, `ratio_to_best_baseline` (of `ade_4s`), and all as a `table` for people."""
        device = next(model.parameters()).device
        columns: list[tuple[F64, F64, F64, F64]] = []
        for batch in self._batches():
            output = model({name: value.to(device) for name, value in batch.items()})
            known = torch.isfinite(batch["trajectory"]).all(2).all(1).numpy()
            history, command = batch["ego_hist"].double().numpy(), batch["command"].numpy()
            guesses = (output.trajectory.float().cpu().double().numpy(), kinematic(history), self._status.predict(history, command))
            columns.append((*(guess[known] for guess in guesses), batch["trajectory"].double().numpy()[known]))  # type: ignore[arg-type]
        if not columns or not sum(len(each[0]) for each in columns):
            raise DataError("no held-out sample with a known future, so there is nothing to measure on")
        *guessed, driven = (np.concatenate(parts) for parts in zip(*columns, strict=True))
        found = {who: displacement(guess, driven) for who, guess in zip(("model", *BASELINES), guessed, strict=True)}
        best = min(found[who]["ade_4s"] for who in BASELINES)
        ratio = found["model"]["ade_4s"] / max(best, 1e-9)
        return {"displacement": found, "samples_measured": len(driven), "ratio_to_best_baseline": ratio, "table": table(found, ratio)}


def table(found: Mapping[str, Mapping[str, float]], ratio: float) -> str:
    """The figures in lines for people."""
    columns: Sequence[str] = tuple(next(iter(found.values())))
    heads = "".join(f"{name.replace('_', ' ').upper().replace('S', ' s'):>10}" for name in columns)
    lines = [f"{'displacement, m':18}{heads}"]
    lines += [f"{who.replace('_', ' '):18}" + "".join(f"{figures[name]:10.2f}" for name in columns) for who, figures in found.items()]
    return "\n".join([*lines, f"the model's ADE over 4 s is {ratio:.2f} of the best baseline's"])
