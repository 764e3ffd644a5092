"""`./heron model train`: wrong use is one sentence, before anything is made."""

import json

import pytest

pytest.importorskip("torch")

from heron_bringup.cli import main
from heron_bringup.verbs.model_train import _remembered


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--minutes", "1", "--samples", "10"], "give one"),
        (["--data", "a", "--sources", "b.yaml"], "give one"),
        (["--preset", "huge"], "no preset 'huge'"),
        (["--data", "nowhere"], "nowhere: no such folder; make samples with"),
        (["--sources", "nowhere.yaml"], "nowhere.yaml"),
        (["--batch", "2000000", "--data", "nowhere"], "batch = 2000000, allowed 1"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, capsys, arguments, text):
    assert main(["model", "train", "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error.replace("\n", " ") and "Traceback" not in error


def test_a_resumed_run_knows_what_it_was_started_with(tmp_path):
    started = {"preset": "tiny", "data": ["/a"], "minutes": 5.0, "samples": None}
    _remembered(tmp_path, started, resume=False)
    (tmp_path / "checkpoint-000000000").mkdir()
    nothing = dict.fromkeys(started)
    assert _remembered(tmp_path, nothing, resume=True) == {"preset": "tiny", "data": ["/a"], "minutes": 5.0}
    assert _remembered(tmp_path, nothing | {"minutes": 6.0}, resume=True)["minutes"] == 6.0
    _remembered(tmp_path, {"minutes": 7.0}, resume=False)  # refused later: the folder holds a run
    assert json.loads((tmp_path / "run.json").read_text())["minutes"] == 5.0
