"""The loop: it learns, it can be killed anywhere, it says what is wrong."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
import toy_training as toy

from heron_model.train import checkpoint
from heron_model.train.errors import CheckpointError, DivergedError
from heron_model.train.loop import Trainer


class Killed(BaseException):
    pass


def weights(folder):
    return {name: value.clone() for name, value in checkpoint.load_file(str(folder / "weights.safetensors")).items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def killing(after):
    """Losses that end the process, as far as the loop can tell, in step `after`."""
    calls = iter(range(10**6))

    def losses(output, batch):
        if next(calls) == after:
            raise Killed
        return toy.losses(output, batch)

    return losses


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    return out, Trainer(toy.task(), replace(toy.CONFIG, ema=0.9), out).run()


def test_it_learns_and_leaves_what_it_promises(whole):
    out, report = whole
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert report["samples"] == 160 and report["steps"] == 20 and report["skipped"] == 0
    assert sum(line["loss"]["square"] for line in lines[-5:]) < 0.5 * sum(line["loss"]["square"] for line in lines[:5])
    assert {"read", "forward_backward", "optimiser", "checkpoint"} <= report["seconds"].keys()
    assert json.loads((out / "report.json").read_text())["config"]["batch"] == 8
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert max(line["learning_rate"] for line in lines) <= 0.01 and lines[-1]["learning_rate"] < 0.001
    assert len(checkpoint.checkpoints(out)) == 2 and not list(out.glob(".checkpoint*"))


@pytest.mark.parametrize("after", [0, 1, 7, 13, 19])
def test_a_killed_run_goes_on_to_the_same_weights_to_the_bit(whole, tmp_path, after):
    config = replace(toy.CONFIG, ema=0.9)
    with pytest.raises(Killed):
        Trainer(toy.task(losses=killing(after)), config, tmp_path).run()
    torch.rand(3)  # whatever else the process draws does not matter
    report = Trainer(toy.task(), config, tmp_path).run(resume=True)
    assert report["steps"] == 20
    assert same(weights(tmp_path), weights(whole[0]))
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps)) and steps[-1] == 20


def test_killed_while_a_checkpoint_is_written(whole, tmp_path, monkeypatch):
    config, save_file = replace(toy.CONFIG, ema=0.9), checkpoint.save_file
    calls = iter(range(100))

    def torn(tensors, path):
        save_file(tensors, path)
        if next(calls) == 9:
            raise Killed

    monkeypatch.setattr(checkpoint, "save_file", torn)
    with pytest.raises(Killed):
        Trainer(toy.task(), config, tmp_path).run()
    monkeypatch.undo()
    Trainer(toy.task(), config, tmp_path).run(resume=True)
    assert same(weights(tmp_path), weights(whole[0]))


def test_ctrl_c_keeps_what_was_done(whole, tmp_path, capsys):
    calls = iter(range(100))

    def losses(output, batch):
        if next(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return toy.losses(output, batch)

    config = replace(toy.CONFIG, ema=0.9, checkpoint_min=100.0)
    with pytest.raises(KeyboardInterrupt):
        Trainer(toy.task(losses=losses), config, tmp_path).run()
    assert "stopped after 40 samples; --resume goes on from" in capsys.readouterr().err
    Trainer(toy.task(), replace(toy.CONFIG, ema=0.9), tmp_path).run(resume=True)
    assert same(weights(tmp_path), weights(whole[0]))


def test_bf16_is_of_the_products_only(whole, tmp_path):
    kinds = set()

    def losses(output, batch):
        kinds.add(output.dtype)
        return toy.losses(output, batch)

    report = Trainer(toy.task(losses=losses), replace(toy.CONFIG, ema=0.9, precision="bf16"), tmp_path).run()
    assert kinds == {torch.bfloat16} and report["skipped"] == 0
    found = weights(tmp_path)
    assert all(value.dtype != torch.bfloat16 for value in found.values()) and not same(found, weights(whole[0]))


def test_another_seed_gives_other_weights(whole, tmp_path):
    Trainer(toy.task(), replace(toy.CONFIG, ema=0.9, seed=6), tmp_path).run()
    assert not same(weights(tmp_path), weights(whole[0]))


def test_a_loss_that_is_no_number_is_skipped_and_counted(tmp_path):
    calls = iter(range(100))

    def losses(output, batch):
        broken = next(calls) in (3, 4, 9)
        parts = toy.losses(output, batch)
        return {**parts, "total": parts["total"] * float("nan")} if broken else parts

    report = Trainer(toy.task(losses=losses), toy.CONFIG, tmp_path).run()
    assert report["skipped"] == 3 and report["steps"] == 20
    assert all(bool(torch.isfinite(value).all()) for value in weights(tmp_path).values())


def test_a_gradient_that_is_no_number_is_skipped(tmp_path):
    calls = iter(range(100))

    def losses(output, batch):
        root = torch.sqrt((output * 0.0).sum())  # 0, with an infinite slope
        parts = toy.losses(output, batch)
        return {**parts, "total": parts["total"] + (root if next(calls) == 2 else 0.0)}

    assert Trainer(toy.task(losses=losses), toy.CONFIG, tmp_path).run()["skipped"] == 1
    assert all(bool(torch.isfinite(value).all()) for value in weights(tmp_path).values())


def test_three_in_a_row_stop_the_run_and_name_the_samples(tmp_path):
    calls = iter(range(100))

    def losses(output, batch):
        parts = toy.losses(output, batch)
        return {**parts, "total": parts["total"] / 0.0} if next(calls) >= 5 else parts

    with pytest.raises(DivergedError) as raised:
        Trainer(toy.task(losses=losses), toy.CONFIG, tmp_path).run()
    assert "3 times in a row, at 64 samples" in str(raised.value)
    draws, _ = toy.task().sampler.take(toy.task().sampler.take(checkpoint.State(), 56)[1], 8)
    assert ", ".join(toy.task().name(draw) for draw in draws) in str(raised.value)
    assert str(tmp_path / "checkpoint-000000007") in str(raised.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"data": "b"}, "data was 'a', now 'b'"),
        ({"width": 12}, "shapes.net.0.weight"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(whole, tmp_path, change, text):
    with pytest.raises(CheckpointError, match=text):
        Trainer(toy.task(**change), replace(toy.CONFIG, ema=0.9), whole[0]).run(resume=True)


def test_other_settings_are_refused_and_a_folder_is_not_overwritten(whole):
    with pytest.raises(CheckpointError, match=r"train.batch was 8, now 4"):
        Trainer(toy.task(), replace(toy.CONFIG, ema=0.9, batch=4), whole[0]).run(resume=True)
    with pytest.raises(CheckpointError, match="holds a run already"):
        Trainer(toy.task(), replace(toy.CONFIG, ema=0.9), whole[0]).run()


@pytest.mark.parametrize("damage", ["model.safetensors", "optimiser.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    with pytest.raises(Killed):
        Trainer(toy.task(losses=killing(3)), toy.CONFIG, tmp_path).run()
    newest = checkpoint.checkpoints(tmp_path)[-1]
    (newest / damage).write_bytes((newest / damage).read_bytes()[:40])
    with pytest.raises(CheckpointError, match=newest.name):
        Trainer(toy.task(), toy.CONFIG, tmp_path).run(resume=True)


def test_weights_of_another_architecture_are_refused(whole):
    with pytest.raises(CheckpointError, match=r"another architecture.*net\.0"):
        checkpoint.load_weights(whole[0] / "weights.safetensors", toy.Toy(9))


def test_minutes_become_samples_once_and_leave_no_trace(tmp_path):
    config = replace(toy.CONFIG, minutes=0.004, samples=1, epoch_samples=400)
    measured = []

    def evaluate(model):
        measured.append(model.training)
        return {"table": "a table"}

    report = Trainer(toy.task(evaluate=evaluate), config, tmp_path / "a").run()
    assert report["samples"] % 8 == 0 and report["samples"] >= 8
    assert measured and not any(measured)
    kept = checkpoint.read_progress(checkpoint.checkpoints(tmp_path / "a")[-1], Trainer(toy.task(), config, tmp_path / "a")._identity)
    assert kept.total == report["samples"]
    Trainer(toy.task(), replace(toy.CONFIG, samples=report["samples"], epoch_samples=400), tmp_path / "b").run()
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))


def test_each_epoch_is_measured_with_the_averaged_weights(tmp_path):
    seen = []

    def evaluate(model):
        seen.append(model.net[0].weight.detach().clone())
        return {"displacement": {"model": {"ade_4s": 1.0}}}

    report = Trainer(toy.task(evaluate=evaluate), replace(toy.CONFIG, ema=0.9), tmp_path).run()
    assert [epoch["samples"] for epoch in report["epochs"]] == [80, 160]
    assert torch.equal(seen[-1], weights(tmp_path)["net.0.weight"])


def test_an_error_of_the_reader_ends_the_run(tmp_path):
    def read(draws):
        if any(draw.source == 1 and draw.sample == 7 for draw in draws):
            raise OSError("b.parquet: unreadable")
        return toy.read(draws)

    with pytest.raises(OSError, match=r"b\.parquet"):
        Trainer(toy.task(read=read), toy.CONFIG, tmp_path).run()
