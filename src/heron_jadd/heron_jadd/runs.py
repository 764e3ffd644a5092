"""What was run for a dataset, as rows: reports, which the next run would replace, are kept in `runs/`; `accounts.jsonl` has what runs cost."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from heron_jadd.tokens import digest

RUNS, REPORT, ACCOUNTS = "runs", "report.json", "accounts.jsonl"
COSTS = ("cpu_s", "wall_s", "money", "image_bytes", "table_bytes")
Row = dict[str, Any]


def write_report(out: Path, report: Mapping[str, Any]) -> None:
    """Replaces the report of the last run, whole: half of one, of a disk that was full, would stop every run after it."""
    unfinished = out / f".{REPORT}.{os.getpid()}"
    try:
        unfinished.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        unfinished.replace(out / REPORT)
    finally:
        unfinished.unlink(missing_ok=True)


def keep_report(out: Path, dataset: Mapping[str, Any]) -> None:
    """Keeps the report of the last run, with the dataset that it made (`dataset.json`), unless it is kept already."""
    if not (out / REPORT).is_file():
        return
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    name = digest(json.dumps(report, sort_keys=True))
    kept = sorted(path.stem for path in (out / RUNS).glob("*.json"))
    if any(each.endswith(name) for each in kept):
        return
    # a run that was killed after it replaced the dataset has left the report of the one before
    content = {"dataset": dataset if report.get("scenes") == dataset["scenes"] else None, "report": report}
    number = int(kept[-1].split("-")[0]) + 1 if kept else 1
    (out / RUNS).mkdir(exist_ok=True)
    unfinished = out / RUNS / f".{name}.{os.getpid()}"
    unfinished.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(out / RUNS / f"{number:06d}-{name}.json")


def run_rows(out: Path) -> Iterator[Row]:
    """A row for each report."""
    for name, kept in _kept(out):
        report, made = kept["report"], kept["dataset"]
        row: Row = {"run": name, "tables": made and made["tables"], "report": json.dumps(report, sort_keys=True)}
        row |= {name: report.get(name) for name in ("scenes", "reused", "samples", "frames", "image_bytes", "left_out_s")}
        row |= {f"{stage}_s": report.get("seconds", {}).get(stage) for stage in ("sampling", "merge", "whole")}
        yield {**row, "problems": len(report.get("problems", ()))}


def dataset_rows(out: Path, current: Mapping[str, Any]) -> Iterator[Row]:
    """A row for each dataset that was made in the folder."""
    datasets = {kept["dataset"]["tables"]: kept["dataset"] for _, kept in _kept(out) if kept["dataset"] is not None}
    datasets[current["tables"]] = current
    for name, made in sorted(datasets.items()):
        row: Row = {"tables": name, "scenes": made["scenes"], "is_current": int(name == current["tables"])}
        yield {**row, "parameters": json.dumps(made["parameters"], sort_keys=True), "content": json.dumps(made, sort_keys=True)}


def account_rows(out: Path) -> Iterator[Row]:
    """A row for each account that can be read; a line that power cut short is passed over."""
    path = out / ACCOUNTS
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.is_file() else (), 1):
        try:
            told = json.loads(line)
            row: Row = {"line": number, **{name: told[name] for name in ("tag", "date", "code", "parameters")}}
            row |= {name: told["actual"][name] for name in COSTS} | {f"{name}_ratio": told["ratios"][name] for name in COSTS}
        except (ValueError, KeyError, TypeError):
            continue
        yield row


def _kept(out: Path) -> Iterator[tuple[str, Row]]:
    for path in sorted((out / RUNS).glob("*.json")):
        yield path.stem, json.loads(path.read_text(encoding="utf-8"))
