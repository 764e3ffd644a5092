"""`./heron model export`: wrong use is one sentence, and nothing is written."""

import pytest

pytest.importorskip("torch")

from heron_bringup.cli import main


@pytest.mark.parametrize(
    ("checkpoint", "more", "text"),
    [
        ("nowhere", [], "nowhere: no such folder"),
        (".", [], "no driveheron.yaml in this folder, so it is no DriveHeron; ./heron model train makes one"),
        (".", ["--precision", "fp4"], "fp4: fp32 or bf16"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, monkeypatch, capsys, checkpoint, more, text):
    monkeypatch.chdir(tmp_path)
    assert main(["model", "export", checkpoint, "--out", "policy", *more]) == 2
    error = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert text in error and "Traceback" not in error
    assert not (tmp_path / "policy").exists()
