"""Links from good to bad, and what they do to a vehicle whose policy thinks elsewhere: measured in real time, then driven.

Each cell has two parts. *Link*: two network namespaces, a relay between them, the real gateways and DDS; pictures of a recording are asked with ten
times a second, and what became of each request is kept. *Drive*: a scenario on simulated time, whose requests meet those fates one after the other
(`remote.simulated.trace`), with pictures of the quality that the link had settled on. A fate leaves out what the policy thought: the drive adds the
declared time of an inference itself. Rows are kept as they come, so that a stopped matrix goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from heron_bringup.remote_cells import Cell
from heron_bringup.remote_pair import BEFORE_MS, PairError, key_file, link_file, probed, serving
from heron_bringup.remote_probe import SECONDS, Asking
from heron_bringup.two_hosts import Relayed, relayed_hosts
from heron_core.errors import InputError
from heron_remote.simulated_link import TRACE_KEY
from heron_vla.folder import load_policy

Row = dict[str, Any]
IDEAL = "ideal"
"""The drive that the others are held against: nothing lost, nothing late, lossless pictures."""
ROWS_FILE, SETTINGS_FILE = "rows.jsonl", "settings.json"
QUIET_S = 1.0
PATIENCE_S = 120.0
"""So long a cell waits for a quiet machine."""


@dataclass(frozen=True)
class DriveWish:
    """The drive of each cell.

    Attributes:
        scenario: name or file.
        seconds: how long.
        seed: of the world, and of where the fates begin.
        size: of the pictures, WIDTHxHEIGHT.
        fallback: folder of a policy on board that plans while the link is down; None: the control ladder stops the car.
    """

    scenario: str
    seconds: float
    seed: int
    size: str
    fallback: Path | None = None


@dataclass(frozen=True)
class MatrixWish:
    """What is measured.

    Attributes:
        cells: the links.
        policy: folder.
        recording: whose pictures are asked with.
        seconds: of asking, in each cell.
        drive: None: none.
        busy: a cell waits, for two minutes at most, until others use less than this share of the machine.
    """

    cells: tuple[Cell, ...]
    policy: Path
    recording: Path
    seconds: float = SECONDS
    drive: DriveWish | None = None
    busy: float = 1.0

    @property
    def settings(self) -> dict[str, Any]:
        """What all rows of a folder have in common."""
        settings: dict[str, Any] = {"policy": load_policy(self.policy).digest, "recording": str(self.recording.resolve()), "seconds": self.seconds}
        if self.drive is not None:
            drive = self.drive
            settings["drive"] = {"scenario": drive.scenario, "seconds": drive.seconds, "seed": drive.seed, "size": drive.size}
            settings["drive"]["fallback"] = None if drive.fallback is None else load_policy(drive.fallback).digest
        return settings


def run_matrix(wish: MatrixWish, out: Path, say: Callable[[str], None]) -> list[Row]:
    """Measures what is not yet in `out`/rows.jsonl, and adds it there row by row; all links first, which want a quiet machine.

    Args:
        wish: what to measure.
        out: gets rows.jsonl, traces/, drives/ with what `./heron drive` leaves, and logs.
        say: gets a line per row.

    Returns:
        The rows of the wanted cells, those of the file first.

    Raises:
        InputError: namespaces cannot be made here, or `out` has rows of other settings.
        PairError: one of the sides failed.
    """
    rows = known_rows(wish, out)
    done = {(row["part"], row["cell"]) for row in rows}
    links = [cell for cell in wish.cells if ("link", cell.name) not in done]
    drives: list[Cell | None] = [] if wish.drive is None else [None, *wish.cells]
    drives = [cell for cell in drives if ("drive", cell.name if cell else IDEAL) not in done]
    if not links and not drives:
        return rows
    folder = out / "hosts"
    folder.mkdir(exist_ok=True)

    def keep(row: Row, text: str) -> None:
        with (out / ROWS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, sort_keys=True) + "\n")
        rows.append(row)
        say(f"{row['part']} {row['cell']}: {text}")

    with relayed_hosts() as hosts, serving(hosts.server, wish.policy, folder):
        for cell in links:
            row = _link(hosts, wish, cell, folder)
            _write_trace(out, row)
            age = row["age_ms"]
            keep(row, f"{row['plans_hz']:g} Hz, {row['in_deadline']:.1%} in time, age p50 {age['p50']:g} ms, p99 {age['p99']:g} ms")
        for ended in drives:
            row = _drive(hosts, wish, ended, rows, out)
            keep(row, f"{row['distance_m']:g} m, fallback {row['fallback_s']:g} s{''.join(f', {each}' for each in row['failures'])}")
    return rows


def known_rows(wish: MatrixWish, out: Path) -> list[Row]:
    """Rows of an earlier run that are wanted; prepares the folder for more of them.

    Raises:
        InputError: they were made with other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings, path = wish.settings, out / SETTINGS_FILE
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        other = [name for name in sorted({*before, *settings}) if name in before and name in settings and before[name] != settings[name]]
        if other:
            raise InputError(f"--out {out} has rows of another {', '.join(other)} ({path}); give another folder")
        settings = {**before, **settings}
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    rows_path = out / ROWS_FILE
    text = rows_path.read_text(encoding="utf-8") if rows_path.exists() else ""
    whole, _, half = text.rpartition("\n")
    if half:  # the run was killed while it wrote
        rows_path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    names = {IDEAL, *(cell.name for cell in wish.cells)}
    parts = {"link"} if wish.drive is None else {"link", "drive"}
    rows = [json.loads(line) for line in whole.splitlines()]
    return [row for row in rows if row["cell"] in names and row["part"] in parts]


def _link(hosts: Relayed, wish: MatrixWish, cell: Cell, folder: Path) -> Row:
    """The first part of a cell."""
    busy = _wait_for_quiet(wish.busy)
    hosts.cable.change(cell.cable)
    asking = Asking(str(wish.policy.resolve()), str(wish.recording.resolve()), str(key_file(folder).resolve()), seconds=wish.seconds)
    found = probed(hosts.vehicle, asking)
    forth, back = hosts.cable.change(Cell(0, 0, 0).cable)
    keys = ("in_deadline", "plans_hz", "answer_ms", "pictures", "request_kb", "displaced", TRACE_KEY)
    return {
        **{"part": "link", "cell": cell.name, "loss_percent": cell.loss_percent, "delay_ms": cell.delay_ms, "mbps": cell.mbps},
        **{key: found[key] for key in keys},
        "age_ms": {name: round(BEFORE_MS + ms, 1) for name, ms in found["answer_ms"].items()},
        "packets": {"to_server": forth, "to_vehicle": back},
        "busy_before": round(busy, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }


def _write_trace(out: Path, row: Row) -> None:
    path = trace_path(out, row["cell"])
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({TRACE_KEY: row[TRACE_KEY], "cell": row["cell"]}) + "\n", encoding="utf-8")


def trace_path(out: Path, cell: str) -> Path:
    """Where the fates of a cell's requests are, for `remote.simulated.trace`."""
    return out / "traces" / f"{cell}.json"


def _drive(hosts: Relayed, wish: MatrixWish, cell: Cell | None, rows: Sequence[Row], out: Path) -> Row:
    """The second part of a cell; None: the ideal drive."""
    assert wish.drive is not None
    drive, name = wish.drive, cell.name if cell else IDEAL
    remote: dict[str, Any] = {}
    if cell is not None:
        (link,) = (row for row in rows if (row["part"], row["cell"]) == ("link", name))
        remote = {"quality": quality_of(link["pictures"]), "simulated": {"trace": str(trace_path(out, name).resolve()), "seed": drive.seed}}
        if drive.fallback is not None:
            remote["fallback"] = {"policy": str(drive.fallback.resolve())}
    folder = out / "drives" / name
    folder.parent.mkdir(exist_ok=True)
    words = ["--scenario", drive.scenario, "--seconds", drive.seconds, "--seed", drive.seed, "--size", drive.size, "--policy", wish.policy.resolve()]
    words += ["--remote", link_file(out / "hosts", name, remote).resolve(), "--out", folder.resolve()]
    log = out / "drives" / f"{name}.txt"
    with log.open("w") as file:
        command = [*hosts.vehicle.through, sys.executable, "-m", "heron_bringup.cli", "drive", *map(str, words)]
        code = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).returncode
    if code not in (0, 1) or not (folder / "report.json").is_file():  # 1: judged, as for a stop that nothing in the town asked for
        raise PairError(f"the drive of {name} ended with {code}; see {log}")
    return {"part": "drive", "cell": name, **outcome(json.loads((folder / "report.json").read_text(encoding="utf-8")))}


def quality_of(pictures: str) -> int:
    """`remote.quality` of what the ladder of qualities calls them, as `jpeg_80`; 0 of lossless ones."""
    return int(pictures.removeprefix("jpeg_")) if pictures.startswith("jpeg_") else 0


def outcome(report: Mapping[str, Any]) -> Row:
    """What a drive came to.

    `fallback_s`: seconds in which the server's plans were too old: the ladder stopped the car (soft stop, emergency), or the policy on board drove.
    """
    driving, engagement, remote = report["driving"], report["engagement"], report["remote"]
    ladder = {name: rung["seconds"] for name, rung in engagement["ladder"].items()}
    fallback = remote.get("fallback", {})
    keys = ("distance_m", "collisions", "at_fault_collisions", "lane_departure_s", "off_road_s", "lateral_interventions", "needless_stops")
    return {
        **{key: driving[key] for key in (*keys, "lateral_p95_m")},
        "plans": report["plans"],
        "requests": remote.get("simulated", {}),
        "to_can_ms": report["latency_ms"]["exposure_to_can"],
        "disengagements": sum(engagement["disengagements"].values()),
        "ladder_s": ladder,
        "fallback": fallback,
        "fallback_s": round(ladder.get("soft_stop", 0.0) + ladder.get("emergency", 0.0) + fallback.get("driven_s", 0.0), 2),
        "failures": list(report["scenario"]["failures"]),
        "trajectory_sha256": report["trajectory_sha256"],
    }


def _wait_for_quiet(most: float) -> float:
    """The share of the machine that others use, once it is below `most`, or patience has ended."""
    until = time.monotonic() + PATIENCE_S
    while (busy := float(psutil.cpu_percent(QUIET_S)) / 100.0) > most and time.monotonic() < until:
        time.sleep(2.0 * QUIET_S)
    return busy
