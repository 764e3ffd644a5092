"""The loop in processes of its own: killed for good in one, gone on with in another; and shared by two, as on several GPUs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from heron_model.train import checkpoint

HERE = Path(__file__).parent
ALONE = """
import os, signal, sys
from pathlib import Path
import toy_training as toy
from heron_model.train.loop import Trainer
out, kill_at = Path(sys.argv[1]), int(sys.argv[2])
calls = iter(range(10**6))
def losses(output, batch):
    if next(calls) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return toy.losses(output, batch)
Trainer(toy.task(losses=losses), toy.CONFIG, out).run(resume=bool(list(out.glob("checkpoint-*"))))
"""
SHARED = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
import toy_training as toy
from heron_model.train.loop import Trainer
class Plain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(3, 1)
    def forward(self, batch):
        return self.line(batch["x"])
calls = iter(range(10**6))
def losses(output, batch):
    parts = toy.losses(output, batch)
    return {**parts, "total": parts["total"] * float("nan")} if next(calls) == 5 and int(sys.argv[2]) == 1 else parts
torch.manual_seed(0)
Trainer(replace(toy.task(losses=losses), model=Plain()), replace(toy.CONFIG, checkpoint_min=9.0), Path(sys.argv[1])).run()
"""


def run(*command, **environment):
    paths = os.pathsep.join([str(HERE), *sys.path])
    fixed = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1", "PYTHONPATH": paths}
    return subprocess.run([sys.executable, *command], env={**os.environ, **fixed, **environment}, timeout=300, capture_output=True, text=True)


def weights(folder):
    return checkpoint.load_file(str(folder / "weights.safetensors"))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_sigkill_and_another_process(tmp_path):
    assert run("-c", ALONE, str(tmp_path / "whole"), "-1").returncode == 0
    assert run("-c", ALONE, str(tmp_path / "killed"), "7").returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    assert run("-c", ALONE, str(tmp_path / "killed"), "-1").returncode == 0
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("broken", [0, 1])
def test_two_processes_learn_what_one_does_and_agree_on_a_loss_that_is_no_number(tmp_path, broken):
    (tmp_path / "shared.py").write_text(SHARED)
    one = run(str(tmp_path / "shared.py"), str(tmp_path / "one"), str(broken))
    two = run("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(tmp_path / "shared.py"), str(tmp_path / "two"), str(broken))
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    report = json.loads((tmp_path / "two" / "report.json").read_text())
    assert report["processes"] == 2 and report["samples"] == 160 and report["skipped"] == broken
    first, second = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert first.keys() == second.keys()
    assert all(torch.allclose(first[name], second[name], atol=1e-4) for name in first)  # means of halves are rounded otherwise
