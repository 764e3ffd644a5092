"""The training loop: any model, any losses, any samples; several devices by accelerate.

A run is a function of its settings, its data and its seed: batches come in the sampler's order, what a step draws follows from the step's number, the
schedule counts samples and not seconds. So a run that is killed goes on from its last checkpoint to the same weights, to the bit, on the same
machine with the same number of threads.
"""

from __future__ import annotations

import json
import math
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn

from heron_model.train import checkpoint
from heron_model.train.batches import Batch, Batches, Read
from heron_model.train.checkpoint import Progress
from heron_model.train.config import TrainConfig
from heron_model.train.errors import CheckpointError, DivergedError
from heron_model.train.interrupt import asked_to_stop
from heron_model.train.journal import CURVES, METRICS, Metrics, ProgressLine, draw_curves
from heron_model.train.optimiser import MovingAverage, learning_rate, make_optimiser, set_rate
from heron_model.train.sampler import Draw, MixtureSampler, State

WEIGHTS, REPORT = "weights.safetensors", "report.json"
FREE = ("log_s", "checkpoint_min", "threads")  # settings that may change when a run goes on
BAD_IN_A_ROW = 3  # losses that are no numbers, until the run stops
_MEASURED, _UNMEASURED = 8, 3  # steps, to find how many samples fit into minutes
_CURVES_S = 60.0  # between two drawings
_STEP = 3  # purpose of random numbers, beside those of the sampler

Losses = Callable[[Any, Mapping[str, Tensor]], Mapping[str, Tensor]]
Evaluate = Callable[[nn.Module], dict[str, Any]]


@dataclass(frozen=True)
class Task:
    """What is trained, and on what.

    Attributes:
        model: takes a batch (a mapping of tensors), gives whatever `losses` takes.
        losses: output and batch → `total` and its parts.
        sampler: order of the samples.
        read: draws → batch; called in a thread of its own.
        identity: JSON that tells this model and these data from others, for checkpoints.
        evaluate: the model in evaluation mode → what was measured, e.g. `displacement`; after each epoch and at the end.
        name: of a draw, for error messages.
    """

    model: nn.Module
    losses: Losses
    sampler: MixtureSampler
    read: Read
    identity: Mapping[str, Any]
    evaluate: Evaluate | None = None
    name: Callable[[Draw], str] = str


class Trainer:
    """Trains `task` as `config` says; everything it leaves lies in `out`."""

    def __init__(self, task: Task, config: TrainConfig, out: Path) -> None:
        if config.threads:
            torch.set_num_threads(config.threads)
        self._task, self._config, self._out = task, config, out
        # An explanation that no sample of a batch has leaves parameters without gradient.
        self._accelerator = Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])
        self._model: nn.Module = self._accelerator.prepare(task.model)
        self._plain: nn.Module = task.model
        self._optimiser = make_optimiser(self._plain, config)
        self._average = MovingAverage(self._plain, config.ema) if config.ema else None
        self._batches = Batches(task.sampler, task.read, task.name, self._accelerator.process_index, self._accelerator.num_processes)
        kept = {name: value for name, value in asdict(config).items() if name not in FREE}
        shapes = {name: list(value.shape) for name, value in self._plain.state_dict().items()}
        self._identity = {**task.identity, "train": kept, "sources": list(task.sampler.sizes), "shapes": shapes}
        self._seconds: dict[str, float] = {}
        self._norm = 0.0
        self._drawn_s = time.monotonic()

    def run(self, resume: bool = False) -> dict[str, Any]:
        """Trains to the end; returns the report, which is written to `report.json` too.

        Args:
            resume: go on from the newest checkpoint in the folder, if there is one.

        Raises:
            CheckpointError: the folder holds a run and `resume` is False, or a checkpoint of another run.
            DivergedError: the loss was not a number three times in a row.
            KeyboardInterrupt: Ctrl-C; a checkpoint was written first.
        """
        progress = self._begin(resume)
        main = self._accelerator.is_main_process
        metrics = Metrics(self._out / METRICS, progress.seen) if main else None
        with asked_to_stop() as stop, ProgressLine(progress.total, progress.seen) as line:
            progress = self._train(progress, stop, line, metrics)
        if main:
            if self._average is not None:
                self._average.swap(self._plain)
            checkpoint.save_weights(self._out / WEIGHTS, self._plain)
        return self._finish(progress)

    def _begin(self, resume: bool) -> Progress:
        found = checkpoint.checkpoints(self._out)
        self._accelerator.wait_for_everyone()  # before one of them makes the first
        if found and not resume:
            raise CheckpointError(f"{self._out}: holds a run already ({found[-1].name}); go on with --resume, or give another folder")
        self._out.mkdir(parents=True, exist_ok=True)
        if not found:
            progress = Progress(self._plan())
            self._save(progress)
            return progress
        progress = checkpoint.read_progress(found[-1], self._identity)
        checkpoint.load(found[-1], self._plain, self._optimiser, self._average)
        self._seconds = dict(progress.seconds)
        return progress

    def _train(self, progress: Progress, stop: threading.Event, line: ProgressLine, metrics: Metrics | None) -> Progress:
        saved_s = told_s = time.monotonic()
        told, sums = progress.seen, dict[str, float]()
        with self._batches.ahead(progress.sampler, self._config.batch) as stream:
            while progress.seen < progress.total:
                with self._timed("read"):
                    batch = next(stream)
                losses = self._step(batch, progress)
                progress = self._count(progress, batch, losses)
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value
                now_s = time.monotonic()
                finished = progress.seen >= progress.total
                if now_s - told_s >= self._config.log_s or finished:
                    steps = (progress.seen - told) / self._config.batch
                    means = {name: value / steps for name, value in sums.items()}
                    rate = (progress.seen - told) / max(now_s - told_s, 1e-9)
                    self._log(progress, means, rate, line, metrics)
                    told, told_s, sums = progress.seen, now_s, {}
                epoch = self._task.sampler.epoch_samples
                measured = finished or progress.seen // epoch > (progress.seen - self._config.batch) // epoch
                if measured:
                    progress = self._measure(progress, line, metrics)
                    told_s = time.monotonic()
                stopping = self._agreed(stop.is_set())
                if measured or stopping or now_s - saved_s >= self._config.checkpoint_min * 60:
                    self._save(progress)
                    saved_s = time.monotonic()
                if stopping and not finished:
                    line.say(f"stopped after {progress.seen:,} samples; --resume goes on from {checkpoint.checkpoints(self._out)[-1]}")
                    raise KeyboardInterrupt
        return progress

    def _step(self, batch: Batch, progress: Progress) -> dict[str, float]:
        """One update; the losses, or nothing where the update was skipped."""
        seed = np.random.SeedSequence([self._config.seed, _STEP, progress.step, self._accelerator.process_index]).generate_state(1)[0]
        torch.manual_seed(int(seed))
        self._model.train()
        set_rate(self._optimiser, learning_rate(self._config, progress.seen, progress.total))
        tensors = {name: value.to(self._accelerator.device) for name, value in batch.tensors.items()}
        with self._timed("forward_backward"):
            with torch.autocast(self._accelerator.device.type, torch.bfloat16, enabled=self._config.precision == "bf16"):
                output = self._model(tensors)
            parts = self._task.losses(output, tensors)
            good = not self._agreed(not bool(torch.isfinite(parts["total"]).all()))
            if good:
                self._accelerator.backward(parts["total"])
                self._norm = float(self._accelerator.clip_grad_norm_(self._plain.parameters(), self._config.clip))
                good = math.isfinite(self._norm)
        with self._timed("optimiser"):
            if good:
                self._optimiser.step()
                if self._average is not None:
                    self._average.update(self._plain, progress.step + 1)
            self._optimiser.zero_grad(set_to_none=True)
        return {name: float(value.detach()) for name, value in parts.items()} if good else {}

    def _count(self, progress: Progress, batch: Batch, losses: Mapping[str, float]) -> Progress:
        bad = not losses
        after = replace(
            progress,
            step=progress.step + 1,
            seen=progress.seen + self._config.batch,
            sampler=batch.after,
            skipped=progress.skipped + bad,
            in_a_row=progress.in_a_row + 1 if bad else 0,
        )
        if after.in_a_row >= BAD_IN_A_ROW:
            names = ", ".join(self._batches.name(draw) for draw in batch.draws[:32])
            raise DivergedError(
                f"the loss was not a number {BAD_IN_A_ROW} times in a row, at {after.seen:,} samples; the last batch was {names}. "
                f"The last good checkpoint is {checkpoint.checkpoints(self._out)[-1]}. Look at them, or train anew with a lower learning rate"
            )
        return after

    def _measure(self, progress: Progress, line: ProgressLine, metrics: Metrics | None) -> Progress:
        """What `evaluate` says after an epoch, or at the end."""
        if self._task.evaluate is None:
            return progress
        measured: dict[str, Any] = {}
        if self._accelerator.is_main_process:
            measured = {"samples": progress.seen, **self._evaluate()}
            line.say(f"after {progress.seen:,} samples:\n{measured.pop('table', '')}")
            if metrics is not None:
                metrics.add(measured)
        self._accelerator.wait_for_everyone()
        return replace(progress, epochs=(*progress.epochs, measured))

    def _evaluate(self) -> dict[str, Any]:
        assert self._task.evaluate is not None
        self._plain.eval()
        with self._timed("evaluate"), torch.no_grad():
            if self._average is not None:
                self._average.swap(self._plain)
            try:
                return self._task.evaluate(self._plain)
            finally:
                if self._average is not None:
                    self._average.swap(self._plain)

    def _log(self, progress: Progress, losses: Mapping[str, float], rate: float, line: ProgressLine, metrics: Metrics | None) -> None:
        if metrics is None:
            return
        line.update(progress.seen, rate, losses)
        now = self._optimiser.param_groups[0]["lr"]
        values = {"samples_per_s": rate, "learning_rate": now, "gradient_norm": self._norm, "skipped": progress.skipped}
        metrics.add({"samples": progress.seen, "step": progress.step, "loss": losses, **values})
        if time.monotonic() - self._drawn_s > _CURVES_S:
            draw_curves(self._out / METRICS, progress.epochs, self._out / CURVES)
            self._drawn_s = time.monotonic()

    def _save(self, progress: Progress) -> None:
        with self._timed("checkpoint"):
            if self._accelerator.is_main_process:
                kept = replace(progress, seconds=dict(self._seconds))
                checkpoint.save(self._out, kept, self._identity, self._plain, self._optimiser, self._average)
            self._accelerator.wait_for_everyone()

    def _finish(self, progress: Progress) -> dict[str, Any]:
        report = {
            "samples": progress.seen,
            "steps": progress.step,
            "skipped": progress.skipped,
            "seconds": {name: round(value, 3) for name, value in self._seconds.items()},
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "processes": self._accelerator.num_processes,
            "config": asdict(self._config),
            "epochs": list(progress.epochs),
        }
        if self._accelerator.is_main_process:
            draw_curves(self._out / METRICS, progress.epochs, self._out / CURVES)
            (self._out / REPORT).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        return report

    def _plan(self) -> int:
        """Samples of the whole run, in whole batches."""
        wanted = float(self._config.samples)
        if self._config.minutes:
            seconds_per_sample, evaluation_s = self._try_out()
            share_s = evaluation_s / self._task.sampler.epoch_samples
            wanted = max(0.0, self._config.minutes * 60 - evaluation_s) / (seconds_per_sample + share_s)
            wanted = float(self._accelerator.reduce(torch.tensor(wanted, device=self._accelerator.device), "mean"))  # the same for all processes
        return max(1, math.ceil(wanted / self._config.batch)) * self._config.batch

    def _try_out(self) -> tuple[float, float]:
        """Seconds per sample of training, and of one evaluation, measured; the model is as before afterwards."""
        kept = {name: value.clone() for name, value in self._plain.state_dict().items()}
        start = Progress(10**9)
        with self._batches.ahead(State(), self._config.batch) as stream:
            for step in range(_UNMEASURED + _MEASURED):
                if step == _UNMEASURED:
                    began_s = time.monotonic()
                self._step(next(stream), start)
        seconds = (time.monotonic() - began_s) / (_MEASURED * self._config.batch)
        self._plain.load_state_dict(kept)
        self._optimiser.state.clear()
        if self._average is not None:
            self._average = MovingAverage(self._plain, self._config.ema)
        began_s = time.monotonic()
        if self._task.evaluate is not None and self._accelerator.is_main_process:
            self._evaluate()
        return seconds, time.monotonic() - began_s

    def _agreed(self, flag: bool) -> bool:
        """Whether `flag` is set in any process."""
        if self._accelerator.num_processes == 1:
            return flag
        return bool(self._accelerator.reduce(torch.tensor(float(flag), device=self._accelerator.device)) > 0)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._seconds[what] = self._seconds.get(what, 0.0) + time.monotonic() - began_s
