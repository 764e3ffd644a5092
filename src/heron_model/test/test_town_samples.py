"""Samples from the world: made once in a short drive, looked at from all sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from heron_can.command_ecu import Followed
from heron_core.errors import InputError
from heron_model.layout import MANOEUVRES, SLOTS
from heron_model.packed import unpack
from heron_model.sample_reader import Samples, collate
from heron_model.town.config import TownDataConfig
from heron_model.town.drive import Disturbances
from heron_model.town.make import describe, drive_file, make_drive, make_samples
from heron_model.words.tokenizer import train

VEHICLE = Path(__file__).resolve().parents[3] / "config" / "vehicle" / "demo"
SEED = 100_003  # drives towards a traffic light from the start
CONFIG = TownDataConfig(drives=1, first_seed=SEED, seconds=8.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("samples")
    describe(place, VEHICLE, CONFIG, None)
    assert make_drive(place, VEHICLE, CONFIG, SEED)["samples"] > 5
    return place


@pytest.fixture(scope="module")
def samples(folder: Path) -> Samples:
    return Samples([folder], train())


def test_rows_are_complete_and_their_past_is_there(folder: Path) -> None:
    rows = pq.read_table(drive_file(folder, SEED)).to_pylist()
    labelled = [row for row in rows if row["labelled"]]
    for row in labelled:
        before = rows[row["past"]]
        assert row["stamp_ns"] - before["stamp_ns"] == 500_000_000
        assert before["view_1"]
        assert all(row[f"view_{k}"] for k in range(7))
        assert np.isfinite(row["trajectory"]).all() and np.isfinite(row["ego_hist"]).all()
        for slot in SLOTS[1:]:
            assert row[slot.name] in slot.words, slot.name
        assert row["english"] and row["japanese"]


def test_a_light_that_is_told_is_seen_in_the_picture(folder: Path) -> None:
    told = 0
    for row in pq.read_table(drive_file(folder, SEED)).to_pylist():
        if row["labelled"]:
            cells = unpack(row["aux"])["cells"]
            assert (row["signal"] != "none") == (len(cells) > 0)
            assert ((cells >= 0) & (cells < 20 * 32)).all()
            told += row["signal"] != "none"
    assert told > 2


def test_the_same_drive_again_has_the_same_rows(folder: Path, tmp_path: Path) -> None:
    make_drive(tmp_path, VEHICLE, CONFIG, SEED)
    assert drive_file(tmp_path, SEED).read_bytes() == drive_file(folder, SEED).read_bytes()


def test_finished_drives_are_not_made_again_and_others_are_refused(folder: Path) -> None:
    before = drive_file(folder, SEED).stat().st_mtime_ns
    assert make_samples(folder, VEHICLE, CONFIG, 1) > 5
    assert drive_file(folder, SEED).stat().st_mtime_ns == before
    with pytest.raises(InputError, match="config differ"):
        make_samples(folder, VEHICLE, TownDataConfig(drives=1, first_seed=SEED, seconds=30.0), 1)


def test_held_out_towns_are_never_learnt_from() -> None:
    with pytest.raises(ValueError, match="held out"):
        TownDataConfig(first_seed=49_999)


def test_what_is_drawn_is_a_function_of_the_seed(samples: Samples) -> None:
    first, again, other = (samples.draw(0, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first["front"], again["front"])
    assert first["text_ids"] == again["text_ids"] and not np.array_equal(first["ego_hist"], other["ego_hist"])


def test_batches_have_what_the_model_wants(samples: Samples) -> None:
    batch = collate([samples.draw(k, np.random.default_rng(k)) for k in range(5)])
    assert batch["narrow"].shape == (5, 1, 3, 160, 256) and batch["narrow_past1"].dtype == torch.uint8
    assert batch["around"].shape == (5, 5, 3, 64, 96)
    torch.testing.assert_close(batch["where"].sum(1), torch.ones(5))
    assert int(batch["command"].max()) < len(MANOEUVRES)
    assert batch["text_mask"].shape == batch["text_ids"].shape
    assert not batch["text_ids"][~batch["text_mask"]].any()


def test_a_sample_without_pictures_is_black(samples: Samples) -> None:
    from heron_model.sample_reader import _decode

    assert not _decode(b"", (4, 6), None).any()
    with pytest.raises(InputError, match="pixels"):
        _decode(b"no jpeg", (4, 6), None)


def test_disturbances_push_and_end() -> None:
    pushes = Disturbances(5, 2.0, 0.08, 2.8)
    wanted = Followed(0.0, 0.0, False)
    found = [pushes.at(k * 0.1, 8.0, wanted) for k in range(600)]
    pushed = [each for each, told in found if told]
    assert 20 < len(pushed) < 400
    assert max(abs(each.steer_rad or 0.0) for each in pushed) <= 0.15
    assert all(each == wanted for each, told in found if not told)
