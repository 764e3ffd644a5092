"""A whole recipe, with a world and an export of a few lines: all steps, killed at each of them, refused where it does not fit."""

import dataclasses
import gc
import json
import re
from collections import Counter

import numpy as np
import pytest
import torch
import yaml
from toy_drives import CONFIG, SMALL, drive, drives

from heron_model import hugging_face
from heron_model.layout import views
from heron_model.sample_reader import Samples
from heron_model.sample_writer import describe_folder
from heron_model.samples import FILE
from heron_model.town.config import TownDataConfig
from heron_model.train import run
from heron_model.train.config import MixtureConfig, RoundConfig, SourceConfig
from heron_model.train.corrections import correction_drives, with_corrections
from heron_model.train.errors import CheckpointError, DataError
from heron_model.train.recipe import Means, Recipe, run_recipe
from heron_model.train.sources import labelled
from heron_model.train.steps import Steps

pytestmark = pytest.mark.usefixtures("one_tokenizer")

ROUNDS = (RoundConfig(drives=2, samples=8, learning_rate=2e-4, warm_up=2, share=0.25), RoundConfig(drives=2, samples=4, warm_up=0))
AGAIN = ("./heron", "model", "train", "--out", "RUN")
WHOLE = Recipe(SMALL, CONFIG, ROUNDS, TownDataConfig(drives=3), command=AGAIN)


class Killed(BaseException):
    """What no code of the recipe handles."""


class Workshop:
    """Makes drives and policies; counts what it does, and is killed once at each moment of `deaths`."""

    def __init__(self, deaths=()):
        self.deaths, self.done, self.said = set(deaths), Counter(), []
        self.means = Means(self.drive, self.export, self.said.append)

    def drive(self, folder, config, policy):
        folder.mkdir(exist_ok=True)
        assert (policy is not None) == (config.policy_share == 1.0)
        assert not any(type(each) is Samples for each in gc.get_objects())  # drives need the room of what was trained on
        for seed in range(config.first_seed, config.first_seed + config.drives):
            path = folder / f"drive_{seed:08d}.parquet"
            if not path.exists():
                self.moment(f"drive {seed}")
                drive(path, 4, np.random.default_rng(seed))
        describe_folder(folder, views(), "world")
        return labelled(sorted(folder.glob("*.parquet")))

    def export(self, checkpoint, policy):
        policy.mkdir(exist_ok=True)
        self.moment(f"export {policy.parent.name}")
        (policy / "policy.yaml").write_text(yaml.safe_dump({"provenance": hugging_face.load(checkpoint).provenance}, sort_keys=False))

    def losses(self, *given):
        self.moment("step")
        return self.true_losses(*given)

    true_losses = staticmethod(run.losses)

    def moment(self, what):
        now = f"{what} {self.done[what]}" if what == "step" else what
        if now in self.deaths:
            self.deaths.remove(now)
            raise Killed
        self.done[what] += 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory, one_tokenizer):
    """A run that nobody disturbed."""
    out, workshop = tmp_path_factory.mktemp("whole"), Workshop()
    return out, workshop, run_recipe(WHOLE, out, workshop.means)


def weights(folder):
    return hugging_face.load(folder).model.state_dict()


def same(folder, other):
    wanted, found = weights(folder), weights(other)
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_all_steps_lead_to_a_policy(whole):
    out, workshop, _ = whole
    assert workshop.done == Counter(
        {f"drive {seed}": 1 for seed in (100_000, 100_001, 100_002, 210_000, 210_001, 220_000, 220_001)}
        | {f"export {stage}": 1 for stage in ("base", "round_1", "round_2")}
    )
    for name in ("model/driveheron.safetensors", "policy/policy.yaml", "curves.png", "report.json"):
        assert (out / name).read_bytes() == (out / "round_2" / name).read_bytes()
    report = json.loads((out / "round_1" / "report.json").read_text())
    assert report["samples"] == 8 and report["config"]["learning_rate"] == 2e-4
    base, first, last = (weights(out / stage / "model") for stage in ("base", "round_1", "round_2"))
    assert any(not torch.equal(base[name], first[name]) for name in base) and any(not torch.equal(first[name], last[name]) for name in base)


def test_the_policy_says_where_it_comes_from(whole):
    told = yaml.safe_load((whole[0] / "policy" / "policy.yaml").read_text())["provenance"]
    steps = told["steps"]
    assert list(steps) == ["1", "2", "3", "4", "5", "6", "again"]
    again = steps["again"]
    timeless = {number: re.fullmatch(r"(.*), \d+\.\d min", text)[1] for number, text in steps.items() if number != "again"}
    led = "told by the expert what to do, 60 s each, towns"
    assert timeless == {
        "1": "samples: 3 drives of the expert, 60 s each, towns 100000 to 100002: 12 samples",
        "2": "training: 16 samples at 0.001 after 4, seed 0",
        "3": f"samples: 2 drives of the policy of step 2, {led} 210000 to 210001: 8 samples",
        "4": "training from the model of step 2: 8 samples at 0.0002 after 2, 75% of samples, 25% of samples_1, seed 0",
        "5": f"samples: 2 drives of the policy of step 4, {led} 220000 to 220001: 8 samples",
        "6": "training from the model of step 4: 4 samples at 0.0005 after 0, 65% of samples, 18% of samples_1, 18% of samples_2, seed 0",
    }
    assert again == "./heron model train --out RUN"
    assert any("simulated world only" in limit for limit in told["limits"])
    assert told["data"].startswith("16 samples of samples, samples_1, samples_2;")  # the last drive of each is held out
    first = yaml.safe_load((whole[0] / "round_1" / "policy" / "policy.yaml").read_text())["provenance"]["steps"]
    assert first == {**{number: steps[number] for number in "1234"}, "again": again}


def test_times_of_all_parts(whole):
    parts = [part for part, _ in whole[2].times()]
    named = [part for part in parts if not part.startswith(" ")]
    assert named == ["samples", "training", "export", "round 1: drives", "round 1: training", "round 2: drives", "round 2: training"]
    assert parts[parts.index("training") + 1 : parts.index("export")] and all(minutes >= 0.0 for _, minutes in whole[2].times())


@pytest.mark.slow
def test_killed_at_every_step_it_goes_on_to_the_same_weights_and_more_rounds_may_follow(whole, tmp_path, monkeypatch):
    moments = ["drive 100001", "step 2", "export base", "drive 210001", "step 5", "export round_1"]
    out, workshop = tmp_path / "run", Workshop(moments)
    one = dataclasses.replace(WHOLE, rounds=ROUNDS[:1])
    monkeypatch.setattr(run, "losses", workshop.losses)
    for death in range(len(moments)):
        with pytest.raises(Killed):
            run_recipe(one, out, workshop.means, resume=death > 0)
        assert len(workshop.deaths) == len(moments) - 1 - death
    run_recipe(one, out, workshop.means, resume=True)
    same(whole[0] / "round_1" / "model", out / "model")
    assert workshop.done.pop("step") == 4 + 2  # none was trained on twice, as a checkpoint came after each
    assert len(workshop.done) == 7 and set(workshop.done.values()) == {1}
    run_recipe(one, out, workshop.means, resume=True)
    assert "step" not in workshop.done and len(workshop.done) == 7
    run_recipe(WHOLE, out, workshop.means, resume=True)
    assert workshop.done.pop("step") == 1 and workshop.done == whole[1].done
    same(whole[0] / "model", out / "model")


def test_another_run_in_the_same_folder_is_refused_before_anything_is_made(whole, tmp_path):
    out, workshop = whole[0], Workshop()
    with pytest.raises(CheckpointError, match="holds a run already; go on with --resume"):
        run_recipe(WHOLE, out, workshop.means)
    with pytest.raises(CheckpointError, match="holds checkpoints of a single training"):
        run_recipe(WHOLE, out / "base", workshop.means)
    for changed, text in (
        ({"data": TownDataConfig(drives=4)}, "samples was done by another run: drives was 3, now 4"),
        ({"training": dataclasses.replace(CONFIG, seed=1)}, r"training was done by another run: train.seed was 0, now 1"),
        ({"rounds": (dataclasses.replace(ROUNDS[0], share=0.5),)}, r"round 1: training was done by another run: sources was"),
    ):
        with pytest.raises(CheckpointError, match=text):
            run_recipe(dataclasses.replace(WHOLE, **changed), out, workshop.means, resume=True)
    with pytest.raises(DataError, match="no such folder"):
        run_recipe(dataclasses.replace(WHOLE, held_out=(tmp_path / "nowhere",)), tmp_path / "run", workshop.means)
    with pytest.raises(hugging_face.CheckpointError, match="no such folder"):
        run_recipe(dataclasses.replace(WHOLE, start=tmp_path / "nowhere"), tmp_path / "run", workshop.means)
    assert not workshop.done and not (tmp_path / "run").exists()


def test_samples_that_are_there_and_a_model_to_begin_with(whole, tmp_path):
    given, workshop = drives(tmp_path / "given"), Workshop()
    recipe = dataclasses.replace(WHOLE, data=MixtureConfig((SourceConfig(given),)), rounds=(), start=whole[0] / "model", export=False)
    run_recipe(recipe, tmp_path / "run", workshop.means)
    assert not workshop.done and not (tmp_path / "run" / "policy").exists()
    steps = hugging_face.load(tmp_path / "run" / "model").provenance["steps"]
    assert steps["1"] == "samples that were there: given" and steps["2"].startswith(f"training from the model of {whole[0].name}/model: 16 ")
    described = yaml.safe_load((given / FILE).read_text())
    (given / FILE).write_text(yaml.safe_dump({**described, "views": described["views"][:3]}))
    with pytest.raises(DataError, match="other views than a correction drive has; train with --rounds 0"):
        run_recipe(dataclasses.replace(recipe, rounds=ROUNDS), tmp_path / "other", workshop.means)


def test_corrections_have_their_share_and_the_rest_is_mixed_as_before(tmp_path):
    a, b, c, d = (drives(tmp_path / name, files=2, rows=rows) for name, rows in (("a", 2), ("b", 6), ("c", 1), ("d", 3)))
    plain = with_corrections(MixtureConfig((SourceConfig(a), SourceConfig(b))), [c, d], 0.4)
    assert [source.ratio for source in plain.sources] == pytest.approx([0.15, 0.45, 0.1, 0.3])
    weighted = with_corrections(MixtureConfig((SourceConfig(a, 3.0), SourceConfig(b, 1.0))), [c], 0.2)
    assert [source.ratio for source in weighted.sources] == pytest.approx([0.6, 0.2, 0.2])
    seeds = [range((each := correction_drives(number, RoundConfig(drives=10_000))).first_seed, each.first_seed + each.drives) for number in (1, 2)]
    assert not set(seeds[0]) & set(seeds[1]) and min(seeds[0]) >= 200_000


def test_times_add_up_over_sittings_and_a_broken_file_is_said(tmp_path):
    def interrupted():
        raise KeyboardInterrupt

    first = Steps(tmp_path, resume=False)
    with pytest.raises(KeyboardInterrupt):
        first.do("a", {}, tmp_path, interrupted)
    first.do("b", {}, tmp_path, dict)
    first.at_least("a", 90.0)
    first.do("a", {}, tmp_path, lambda: {"seconds": {"of_this": 30.0}})
    again = Steps(tmp_path, resume=True)
    assert [(part, round(minutes, 1)) for part, minutes in again.times()] == [("a", 1.5), ("  of this", 0.5), ("b", 0.0)]
    assert again.do("a", {}, tmp_path, interrupted) == {"seconds": {"of_this": 30.0}}
    with pytest.raises(KeyboardInterrupt):
        again.do("a", {}, tmp_path / "gone", interrupted)
    (tmp_path / "steps.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"steps.json: cannot be read"):
        Steps(tmp_path, resume=True)
