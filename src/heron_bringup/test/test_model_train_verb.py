"""`./heron model train`: wrong use is one sentence, before anything is made; what it asks of a recipe; what it says at the end."""

import json

import pytest

pytest.importorskip("torch")

from heron_bringup.cli import main
from heron_bringup.verbs.model_train import _command, _remembered
from heron_model.town.config import TownDataConfig
from heron_model.train import recipe
from heron_model.train.config import MixtureConfig
from heron_model.train.steps import Steps


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--minutes", "1", "--samples", "10"], "give one"),
        (["--data", "a", "--sources", "b.yaml"], "give one"),
        (["--preset", "huge"], "no preset 'huge'"),
        (["--data", "nowhere"], "nowhere: no such folder; make samples with"),
        (["--sources", "nowhere.yaml"], "nowhere.yaml"),
        (["--batch", "2000000", "--data", "nowhere"], "batch = 2000000, allowed 1"),
        (["--held-out", "nowhere"], "nowhere: no such folder; make samples with"),
        (["--start", "nowhere"], "nowhere: no such folder"),
        (["--drives", "200000"], "drives = 200000, allowed 1"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, capsys, arguments, text):
    assert main(["model", "train", "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert text in " ".join(error.split()) and "Traceback" not in error


def test_a_resumed_run_knows_what_it_was_started_with(tmp_path):
    started = {"preset": "tiny", "data": ["/a"], "minutes": 5.0, "samples": None, "rounds": None}
    _remembered(tmp_path, {"drives": 3}, resume=False)  # had not come far: what is started now counts alone
    _remembered(tmp_path, started, resume=False)
    (tmp_path / "base" / "checkpoint-000000000").mkdir(parents=True)
    nothing = dict.fromkeys(started)
    assert _remembered(tmp_path, nothing, resume=True) == {"preset": "tiny", "data": ["/a"], "minutes": 5.0}
    assert _remembered(tmp_path, nothing | {"minutes": 6.0}, resume=True)["minutes"] == 6.0
    _remembered(tmp_path, {"minutes": 7.0, "rounds": 3}, resume=False)  # refused later: the folder holds a run
    assert json.loads((tmp_path / "run.json").read_text()) == {"preset": "tiny", "data": ["/a"], "minutes": 5.0}
    _remembered(tmp_path, nothing | {"minutes": 6.0, "rounds": 2}, resume=True)  # rounds may follow a run that is done
    assert json.loads((tmp_path / "run.json").read_text()) == {"preset": "tiny", "data": ["/a"], "minutes": 5.0, "rounds": 2}


def test_the_command_that_makes_it_again_names_no_places_of_this_machine():
    assert " ".join(_command({})) == "./heron model train --preset tiny --out RUN"
    run = {"preset": "1b", "data": ["/here/a", "/there/b"], "held_out": ["/here/val"], "minutes": 5.0, "epoch_samples": 9, "rounds": 0}
    wanted = "--preset 1b --data a --data b --held-out val --minutes 5 --epoch 9 --rounds 0"
    assert " ".join(_command(run)) == f"./heron model train {wanted} --out RUN"


@pytest.fixture
def asked(monkeypatch):
    """The recipes that the verb asked for, and what to raise instead of doing them."""
    asked = []

    def run_recipe(wanted, out, means, resume):
        asked.append((wanted, resume))
        steps = Steps(out, resume)
        for part, seconds in (("samples", 600.0), ("training", 1200.0), ("export", 60.0), ("round 1: drives", 300.0), ("round 1: training", 90.0)):
            steps.at_least(part, seconds)
        steps.do("training", {}, out, lambda: {"seconds": {"forward_backward": 900.0}})
        return steps

    monkeypatch.setattr(recipe, "run_recipe", run_recipe)
    return asked


def test_from_nothing_there_are_rounds_and_with_samples_none_unless_asked_for(tmp_path, asked):
    for number, (arguments, rounds) in enumerate(
        (([], None), (["--rounds", "0"], 0), (["--rounds", "3"], 3), (["--data", "a"], 0), (["--data", "a", "--rounds", "1"], 1))
    ):
        assert main(["model", "train", "--out", str(tmp_path / str(number)), *arguments]) == 0
        wanted, _ = asked[-1]
        assert len(wanted.rounds) == rounds if rounds is not None else len(wanted.rounds) >= 1
        assert isinstance(wanted.data, MixtureConfig if "--data" in arguments else TownDataConfig)
    assert main(["model", "train", "--out", str(tmp_path / "2"), "--resume"]) == 0
    again, resumed = asked[-1]
    assert resumed and len(again.rounds) == 3 and again.command[-4:] == ("--rounds", "3", "--out", "RUN")
    assert main(["model", "train", "--out", str(tmp_path / "own"), "--drives", "7", "--samples", "9", "--no-export"]) == 0
    small = asked[-1][0]
    assert (small.data.drives, small.training.samples, small.export) == (7, 9, False) and small.rounds == asked[0][0].rounds


def test_the_table_of_times_and_where_the_policy_is(tmp_path, asked, capsys):
    assert main(["model", "train", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    lines = [line.rsplit(maxsplit=1) for line in said.splitlines() if line.strip()]
    table = {words[0].strip(): words[1] for words in lines if len(words) == 2}
    assert table.items() >= {"samples": "10.0", "training": "20.0", "forward backward": "15.0", "round 1: drives": "5.0", "all": "37.5"}.items()
    assert f"./heron drive --policy {tmp_path / 'policy'}" in " ".join(said.split())


def test_ctrl_c_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stopped(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(recipe, "run_recipe", stopped)
    assert main(["model", "train", "--out", str(tmp_path / "run")]) == 130
    assert f"./heron model train --out {tmp_path / 'run'} --resume goes on" in " ".join(capsys.readouterr().out.split())
