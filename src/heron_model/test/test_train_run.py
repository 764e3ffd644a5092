"""A small DriveHeron, from folders of samples to a checkpoint that opens again; with general text among the sources."""

import json
import math
from dataclasses import replace

import pytest
import torch
from toy_drives import CONFIG, SMALL, drives

from heron_model import hugging_face
from heron_model.general import text_samples
from heron_model.losses import losses
from heron_model.train import run
from heron_model.train.config import MixtureConfig, SourceConfig
from heron_model.train.errors import CheckpointError, DataError
from heron_model.train.run import Lesson, train_model

pytestmark = pytest.mark.usefixtures("one_tokenizer")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "pairs.jsonl").write_text(json.dumps({"text": "What colour is the sky?", "english": "Blue."}) + "\n")
    text_samples(folder / "pairs.jsonl", folder / "general")
    return drives(folder / "drives"), folder / "general"


@pytest.fixture(scope="module")
def trained(folders, tmp_path_factory, one_tokenizer):
    out = tmp_path_factory.mktemp("run")
    lesson = Lesson(MixtureConfig((SourceConfig(folders[0], 3.0), SourceConfig(folders[1], 1.0))))
    return out, lesson, train_model(SMALL, lesson, CONFIG, out, more=lambda report: {"steps": {"1": report["samples"]}})


def test_it_trains_on_drives_and_text_and_measures_what_was_held_out(trained):
    out, _, report = trained
    assert report["samples"] == 16 and report["skipped"] == 0
    assert [epoch["samples"] for epoch in report["epochs"]] == [8, 16]
    assert report["epochs"][0]["samples_measured"] == 4  # the last drive, of which nothing was learnt
    assert report["epochs"][-1]["displacement"]["kinematic"]["ade_4s"] < 1e-3
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert all(math.isfinite(line["loss"]["total"]) for line in lines if "loss" in line)


def test_the_checkpoint_opens_again_and_says_where_it_comes_from(trained):
    found = hugging_face.load(trained[0] / "model")
    assert found.provenance["steps"] == {"1": 16} and "8 drives" not in found.provenance["data"]
    assert found.provenance["data"].startswith("9 samples of drives, general; sha256 ")
    assert found.provenance["recipe"]["samples"] == 16 and "model.ade_4s" in found.provenance["metrics"]
    weights = {name: value for name, value in found.model.state_dict().items() if name != "speech_head.weight"}
    from heron_model.train.checkpoint import load_file

    kept = load_file(str(trained[0] / "weights.safetensors"))
    assert all(torch.equal(kept[name], value) for name, value in weights.items() if name in kept)


def test_a_finished_run_is_only_finished_again_and_a_model_is_trained_further(trained, folders, tmp_path):
    out, lesson, report = trained
    again = train_model(SMALL, lesson, CONFIG, out, resume=True)
    assert again["steps"] == report["steps"]
    further = replace(lesson, start=out / "model", held_out=(folders[0],), mixture=MixtureConfig((SourceConfig(folders[1]),)))
    with pytest.raises(DataError, match="nothing to fit the ego status baseline on"):
        train_model(SMALL, further, CONFIG, tmp_path / "a")
    other = replace(SMALL, plan_queries=4)
    with pytest.raises(CheckpointError, match="another architecture than preset"):
        train_model(other, replace(lesson, start=out / "model"), CONFIG, tmp_path / "b")


def test_training_begins_with_whatever_opens_as_a_model(trained, tmp_path, monkeypatch):
    """A policy folder too: `test_export.py` opens some."""
    out, lesson, _ = trained
    checkpoint, asked = hugging_face.load(out / "model"), []
    with torch.no_grad():
        checkpoint.model.query.fill_(0.25)  # as no new model has it
    monkeypatch.setattr(run, "open_model", lambda folder: asked.append(folder) or checkpoint)
    train_model(SMALL, replace(lesson, start=tmp_path / "policy"), replace(CONFIG, learning_rate=1e-9, ema=0.0), tmp_path / "run")
    assert asked == [tmp_path / "policy"]
    assert torch.allclose(hugging_face.load(tmp_path / "run" / "model").model.query, torch.tensor(0.25), atol=1e-3)


def test_data_that_cannot_be_trained_on(folders, tmp_path):
    with pytest.raises(DataError, match="both trained on and held out"):
        train_model(SMALL, Lesson(MixtureConfig((SourceConfig(folders[0]),)), (folders[0],)), CONFIG, tmp_path / "a")
    single = drives(tmp_path / "single", files=1, rows=1)
    with pytest.raises(DataError, match=r"holds a single drive.*--held-out"):
        train_model(SMALL, Lesson(MixtureConfig((SourceConfig(single),))), CONFIG, tmp_path / "b")
    with pytest.raises(DataError, match="none of the sources holds drives"):
        train_model(SMALL, Lesson(MixtureConfig((SourceConfig(folders[1]),))), CONFIG, tmp_path / "c")


def test_the_weight_of_braking_is_the_settings(folders, tmp_path, monkeypatch):
    counted = []
    monkeypatch.setattr(run, "losses", lambda output, batch, config: counted.append(config) or losses(output, batch, config))
    train_model(SMALL, Lesson(MixtureConfig((SourceConfig(folders[0]),))), replace(CONFIG, braking=1.5, samples=CONFIG.batch), tmp_path / "run")
    assert counted and all(each.braking == 1.5 for each in counted)
