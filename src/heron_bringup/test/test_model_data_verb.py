"""`./heron model data`: a recording that holds nothing but pictures and a bus becomes samples; wrong use is one sentence."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from heron_bringup.cli import main
from heron_bringup.config import GeneratedConfig
from heron_bringup.ego_motion import EgoMotion
from heron_bringup.generated import generate

DEMO = Path(__file__).parents[3] / "config" / "vehicle" / "demo"
SECONDS = 5.6
CONFIG = GeneratedConfig(seconds=SECONDS, rate_hz=2.0, scale=1.0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The generated drive of a car with one small camera, two pictures a second."""
    folder = tmp_path_factory.mktemp("vehicle") / "tiny"
    shutil.copytree(DEMO, folder)
    rig = yaml.safe_load((folder / "rig.yaml").read_text())
    camera = rig["cameras"]["CAM_FRONT"]
    camera.update(width=160, height=107, k=[value / 12 for value in camera["k"]])
    rig["cameras"] = {"CAM_FRONT": camera}
    (folder / "rig.yaml").write_text(yaml.safe_dump(rig))
    out = tmp_path_factory.mktemp("bag") / "street"
    generate(out, folder, CONFIG, lambda done, total: None, workers=1)
    return out


def test_a_recording_of_pictures_and_a_bus(recording, tmp_path, capsys):
    pq = pytest.importorskip("pyarrow.parquet")
    assert main(["model", "data", "--recording", str(recording), "--out", str(tmp_path / "out")]) == 0
    assert "passed over: first of the recording 1, future not recorded" in " ".join(capsys.readouterr().out.split())
    rows = [row for row in pq.read_table(tmp_path / "out" / "street_000.parquet").to_pylist() if row["labelled"]]
    motion, zero_ns = EgoMotion(-CONFIG.lead_s - 0.1, SECONDS + 1.0, CONFIG.seed), CONFIG.start_ns + round(CONFIG.lead_s * 1e9)
    assert len(rows) >= 2
    for row in rows:
        t_s = (row["stamp_ns"] - zero_ns) / 1e9
        here, there = motion.at(t_s).pose, motion.at(t_s + 3.0).pose
        wanted, found = here.between(there), np.array(row["trajectory"]).reshape(40, 4)[29]
        assert np.hypot(found[0] - wanted.x, found[1] - wanted.y) < 0.15
        assert abs(found[2] - wanted.yaw) < 0.02
        assert row["view_0"] and row["view_1"] == b""


def test_texts(tmp_path, capsys):
    pytest.importorskip("pyarrow")
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"text": "Hello?", "english": "Hello."}) + "\n")
    assert main(["model", "data", "--text", str(tmp_path / "pairs.jsonl"), "--out", str(tmp_path / "out")]) == 0
    assert "1 samples of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--text", "a.jsonl", "--recording", "b"], "make two folders"),
        (["--text", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--recording", "nowhere"], "nowhere"),
        (["--recording", "x/day", "--recording", "y/day"], "two recordings are called day"),
        (["--first-seed", "7"], "seeds below 50000 are held out"),
        (["--recording", "x", "--only", "choices"], "--only: for samples of the world; leave it out beside --recording"),
        (["--text", "x.jsonl", "--drives", "3", "--seconds", "9"], "--drives, --seconds: for samples of the world; leave it out beside --text"),
        (["--only", "turns"], "only = 'turns', allowed: choices, yielding, lights, braking"),
        (["--late-braking", "1.5"], "late_braking_share = 1.5, allowed 0 .. 1"),
        (["--policy", "x", "--late-braking", "0.5"], "late_braking_share = 0.5 does nothing where a policy drives every drive"),
        (["--recording", "x", "--late-braking", "0.5"], "--late-braking: for samples of the world; leave it out beside --recording"),
    ],
)
def test_wrong_use_is_one_sentence(tmp_path, capsys, arguments, text):
    pytest.importorskip("pyarrow")
    assert main(["model", "data", "--out", str(tmp_path / "out"), *arguments]) == 2
    error = capsys.readouterr().err
    assert text in " ".join(error.split()) and "Traceback" not in error
