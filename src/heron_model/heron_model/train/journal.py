"""What a run leaves for people and programs: metrics.jsonl, curves.png, a line of progress."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

METRICS, CURVES = "metrics.jsonl", "curves.png"
_PARTS = 3  # losses that a terminal's line has room for
_PLAIN_S = 30.0  # between lines where there is no terminal


class Metrics:
    """Lines of JSON, one per stretch of training, in order of samples.

    Args:
        path: the file; lines of samples after `seen` are removed (a killed run wrote them after its last checkpoint).
        seen: samples of the checkpoint that the run goes on from.
    """

    def __init__(self, path: Path, seen: int) -> None:
        self._path = path
        kept = [line for line in _lines(path) if line["samples"] <= seen] if seen else []
        path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def add(self, line: Mapping[str, Any]) -> None:
        """Appends; values that are no numbers become null, as JSON has none."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_plain(line)) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:  # the last one of a killed run
                break
    return found


def draw_curves(metrics: Path, epochs: tuple[dict[str, Any], ...], out: Path) -> None:
    """The losses over samples, and below them the average displacement after each epoch against the baselines, as a PNG."""
    from matplotlib import colormaps  # heavy
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [line for line in _lines(metrics) if "loss" in line]
    measured = [epoch for epoch in epochs if "displacement" in epoch]
    figure = Figure(figsize=(9, 7 if measured else 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 if measured else 1, squeeze=False)[:, 0]
    axes[0].set_prop_cycle(color=[colormaps["tab20"](index) for index in range(20)])  # more colours than a model has losses
    for part in sorted({part for line in lines for part in line["loss"]}, key=lambda part: (part != "total", part)):
        points = [(line["samples"], line["loss"][part]) for line in lines if line["loss"].get(part)]
        axes[0].plot([x for x, _ in points], [y for _, y in points], label=part, linewidth=2.0 if part == "total" else 1.0)
    axes[0].set(yscale="log", ylabel="loss", xlabel="samples")
    axes[0].grid(alpha=0.3)
    if lines:
        axes[0].legend(fontsize="small", ncols=3)
    if measured:
        for who in measured[-1]["displacement"]:
            axes[1].plot([epoch["samples"] for epoch in measured], [epoch["displacement"][who]["ade_4s"] for epoch in measured], "o-", label=who)
        axes[1].set(ylabel="average displacement over 4 s, m", xlabel="samples", ylim=(0, None))
        axes[1].grid(alpha=0.3)
        axes[1].legend(fontsize="small")
    figure.savefig(out, dpi=110)


class ProgressLine(AbstractContextManager["ProgressLine"]):
    """Samples per second, losses and what remains: a live line on a terminal, a plain one every half minute elsewhere."""

    def __init__(self, total: int, seen: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._total, self._told_s = total, time.monotonic()
        columns = (
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=self._console) if self._console.is_terminal else None
        self._task = self._bar.add_task("training", total=total, completed=seen, text="") if self._bar else None

    def __enter__(self) -> ProgressLine:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, seen: int, rate: float, losses: Mapping[str, float]) -> None:
        """After a stretch: `rate` in samples per second."""
        parts = "  ".join(f"{name} {value:.3f}" for name, value in list(losses.items())[: _PARTS if self._bar else None])
        text = f"{seen:,} samples  {rate:.1f}/s  {parts}"
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=seen, text=text)
        elif time.monotonic() - self._told_s >= _PLAIN_S or seen >= self._total:
            self._told_s = time.monotonic()
            self.say(f"{text}  {(self._total - seen) / max(rate, 1e-9) / 60:.1f} min left")

    def say(self, text: str) -> None:
        """A line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
