"""Displacement: figures by hand, baselines that are what they say, samples of unknown future left out."""

import numpy as np
import pytest
import torch

from heron_model.layout import MANOEUVRES
from heron_model.model import Output
from heron_model.sample_writer import blank, write_rows
from heron_model.train.displacement import EgoStatus, EgoTable, HeldOut, displacement, kinematic
from heron_model.train.errors import DataError
from heron_vla.kinematic import constant_turn


def drives(count=400, seed=0):
    """Cars that turn as they are told, harder the slower they are: what a kinematic guess cannot know and ego status can."""
    random = np.random.default_rng(seed)
    speed, command = random.uniform(1, 15, count), random.integers(0, 4, count)
    history = np.zeros((count, 8, 3))
    history[:, :, 0] = speed[:, None]
    history[:, :, 1] = random.normal(0, 0.1, (count, 1))
    turn = np.array([0.0, 0.1, -0.1, 0.0])[command]
    driven = np.stack([constant_turn(v, w + t) for v, w, t in zip(speed, history[:, -1, 1], turn, strict=True)])
    return EgoTable(history, command, driven)


def test_figures_by_hand():
    driven = np.zeros((2, 40, 4))
    guess = driven.copy()
    guess[:, :, 0] = np.arange(1, 41) / 10  # 1 m off per second
    guess[:, :, 2:] = 99.0  # yaw and speed do not count
    figures = displacement(guess, driven)
    assert figures["ade_1s"] == pytest.approx(0.55) and figures["fde_1s"] == pytest.approx(1.0)
    assert figures["ade_4s"] == pytest.approx(2.05) and figures["fde_2s"] == pytest.approx(2.0) and figures["fde_4s"] == pytest.approx(4.0)


def test_kinematic_is_exact_on_an_arc_and_ego_status_learns_what_it_cannot_know():
    table, unseen = drives(), drives(200, seed=1)
    straight = unseen.command == 0
    assert np.abs(kinematic(unseen.history) - unseen.driven)[straight].max() < 1e-9
    status = EgoStatus(table)
    blind = displacement(kinematic(unseen.history), unseen.driven)["ade_4s"]
    learnt = displacement(status.predict(unseen.history, unseen.command), unseen.driven)["ade_4s"]
    assert learnt < 0.1 * blind


class Guess(torch.nn.Module):
    """Gives what was driven, moved aside."""

    def __init__(self, aside_m):
        super().__init__()
        self.aside_m = torch.nn.Parameter(torch.tensor([0.0, aside_m, 0.0, 0.0]))

    def forward(self, batch):
        return Output(torch.nan_to_num(batch["trajectory"]) + self.aside_m, torch.zeros(1))


def batches(table, unknown=()):
    driven = table.driven.astype(np.float32)
    driven[list(unknown)] = np.nan
    for part in np.array_split(np.arange(len(driven)), 3):
        yield {
            "ego_hist": torch.from_numpy(table.history[part].astype(np.float32)),
            "command": torch.from_numpy(table.command[part]),
            "trajectory": torch.from_numpy(driven[part]),
        }


def test_a_model_is_measured_beside_both_baselines():
    held_out = drives(60, seed=2)
    with torch.no_grad():
        found = HeldOut(lambda: batches(held_out, unknown=(3, 30)), drives())(Guess(0.5))
    assert found["samples_measured"] == 58
    assert found["displacement"]["model"]["ade_4s"] == pytest.approx(0.5, abs=1e-5)
    best = min(found["displacement"][who]["ade_4s"] for who in ("kinematic", "ego_status"))
    assert found["ratio_to_best_baseline"] == pytest.approx(0.5 / best, rel=1e-4)
    lines = found["table"].splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["model", "kinematic", "ego status"] and "ADE 4 s" in lines[0]


def test_rows_on_disk_without_future_or_history_are_left_out(tmp_path):
    table = drives(5)
    known = [
        blank(i)
        | {"labelled": i != 1, "ego_hist": table.history[i].reshape(-1).tolist(), "trajectory": table.driven[i].reshape(-1).tolist()}
        | {"manoeuvre": MANOEUVRES[table.command[i]]}
        for i in range(5)
    ]
    write_rows(tmp_path / "a.parquet", [*known, blank(9) | {"labelled": True, "text": "hello"}])
    read = EgoTable.read([tmp_path / "a.parquet"])
    assert read.command.tolist() == table.command[[0, 2, 3, 4]].tolist()
    assert np.allclose(read.driven, table.driven[[0, 2, 3, 4]], atol=1e-4)
    write_rows(tmp_path / "a.parquet", [blank(0)])
    with pytest.raises(DataError, match="no sample with a known history"):
        EgoTable.read([tmp_path / "a.parquet"])
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(DataError, match=r"a\.parquet: not a readable file"):
        EgoTable.read([tmp_path / "a.parquet"])


def test_nothing_to_measure_on_is_said():
    with pytest.raises(DataError, match="nothing to measure on"):
        HeldOut(lambda: iter(()), drives())(Guess(0.0))
