"""Recordings: import, record, play, cut, info."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from heron_bag.drive_log import DriveLog
    from heron_bag.info import BagReport

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Make, inspect and cut recordings (rosbag2 folders of mcap).")

Recording = Annotated[Path, typer.Argument(help="Folder with metadata.yaml, or a single .mcap or .db3 file.")]
Out = Annotated[Path, typer.Option("--out", help="Folder that the recording becomes; it must not exist.")]
Topics = Annotated[list[str] | None, typer.Option("--topics", help="Names or patterns such as '/camera/*'; repeatable. Default: all.")]
EXIT_FAILED = 1
WIDE = 110
"""Columns from which a table has room for the types of topics."""
ROWS = 60
"""Events of a drive that are shown."""


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("messages"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total) if done % 50 == 0 or done == total else None


@app.command("import", epilog="Example: ./heron bag import config/import/front_and_can.yaml --out B")
def import_(
    config: Annotated[Path, typer.Argument(help="Import file, e.g. config/import/front_and_can.yaml.")],
    out: Out,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was made as JSON.")] = False,
) -> None:
    """Make a recording from video, images, CAN logs, NMEA logs and calibrations, as an import file says."""
    from heron_bag.digest import bag_digest
    from heron_bag.importing.config import load_import_config
    from heron_bag.importing.importer import import_recording

    loaded = load_import_config(config)
    with _progress(f"importing {config.stem}") as progress:
        result = import_recording(loaded, config, out, progress)
    digest = bag_digest(out)
    if as_json:
        print(json.dumps({"recording": str(out), "messages": result.messages, "counts": result.counts, "notes": result.notes, "sha256": digest}))
        return
    for note in result.notes:
        print(f"Note: {note}")
    for name, count in result.counts.items():
        print(f"{count:8,} {name}")
    print(f"{sum(result.messages.values()):8,} messages of {len(result.messages)} topics, {(result.end_ns - result.start_ns) / 1e9:.3f} s, in {out}")
    print(f"         sha256 {digest}")


@app.command(epilog="Examples: ./heron bag info B | ./heron bag info B --json | ./heron bag info B --check")
def info(
    recording: Recording,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read everything, to find corrupt chunks.")] = False,
) -> None:
    """Show topics, rates, gaps, drops, attachments, notes, and engagements with their ends; ends with 1 when something is lost or corrupt."""
    from heron_bag.info import describe

    report = describe(recording, check)
    if as_json:
        print(json.dumps(report.to_json()))
    else:
        _show(report)
    if report.warnings:
        raise typer.Exit(EXIT_FAILED)


def _show(report: BagReport) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    began = datetime.fromtimestamp(report.start_ns / 1e9, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    console.print(
        f"{report.path}: {report.duration_s:.3f} s from {began}, {report.messages:,} messages, {report.bytes / 1e6:.1f} MB",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    wide = console.width >= WIDE  # else a topic's type stands below its name
    columns = (Column(name, justify="right", no_wrap=True) for name in ("messages", "Hz", "gaps", "longest s", "missing"))
    table = Table(Column("topic", overflow="fold"), *([Column("type", overflow="fold")] if wide else []), *columns, box=None, pad_edge=False)
    for topic in report.topics:
        ros_type = topic.ros_type.replace("/msg/", "/")
        names = (topic.name, ros_type) if wide else (f"{topic.name}\n  [dim]{ros_type}[/dim]",)
        rhythm = (f"{topic.rate_hz:.2f}", f"{topic.gaps:,}", f"{topic.longest_gap_s:.3f}", f"{topic.missing:,}") if topic.rate_hz else ()
        table.add_row(*names, f"{topic.count:,}", *rhythm)
    console.print(table)
    if report.attachments:
        attached = ", ".join(f"{name} ({size:,} B)" for name, size in report.attachments.items())
        console.print(f"attachments: {attached}", highlight=False, markup=False)
    if report.drive is not None:
        _show_drive(report.drive, console)
    for note in report.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    for warning in report.warnings:
        console.print(f"WARNING: {warning}", style="bold red", highlight=False, markup=False)
    if report.checked:
        console.print(f"checked: {report.corrupt_chunks} corrupt chunks", highlight=False)


def _show_drive(drive: DriveLog, console: Console) -> None:
    """What happened when Heron drove: the sums in a line each, then everything in order of time."""
    from rich.markup import escape
    from rich.table import Column, Table

    said = []
    for kind, causes in drive.counts.items():
        why = ", ".join(f"{cause or 'no cause'} {n}" if n > 1 else cause or "no cause" for cause, n in causes.items())
        said.append(f"{sum(causes.values())} {kind} ({why})")
    for name, seconds in (("state", drive.state_s), ("ladder", drive.ladder_s)):
        if seconds:
            said.append(f"{name}: " + ", ".join(f"{what} {lasted:.1f} s" for what, lasted in seconds.items()))
    alarm = f", alarm for {drive.alarm_s:.1f} s" if drive.alarm_s else ""
    said.append(f"gate: {drive.limited:,} commands narrowed, {drive.rejected:,} refused{alarm}")
    console.print("drive:", *(f"  {line}" for line in said), sep="\n", highlight=False, markup=False)
    rows = [(entry.time_s, entry.kind, entry.cause, entry.text) for entry in drive.entries]
    rows += [
        (
            burst.start_s,
            "gate",
            "narrowed" if burst.limited else "refused",
            f"{burst.limited} narrowed, {burst.rejected} refused, until {burst.end_s:.2f} s",
        )
        for burst in drive.bursts
    ]
    table = Table(Column("s", justify="right", no_wrap=True), "what", "cause", Column("", overflow="fold"), box=None, pad_edge=False)
    for time_s, kind, cause, text in sorted(rows, key=lambda row: row[0])[:ROWS]:
        table.add_row(f"{time_s:.2f}", kind, cause, escape(text))
    if rows:
        console.print(table)
    if len(rows) > ROWS:
        console.print(f"and {len(rows) - ROWS:,} more: see --json", highlight=False)


@app.command(epilog="Example: ./heron bag cut B --out C --start 5 --duration 2 --topics '/camera/*'")
def cut(
    recording: Recording,
    out: Out,
    start: Annotated[float, typer.Option(help="Seconds from the first message.")] = 0.0,
    duration: Annotated[float | None, typer.Option(help="Seconds; default: to the end.")] = None,
    topics: Topics = None,
) -> None:
    """Take a part of a recording; H.264 starts at the key frame before, calibration comes along."""
    from heron_bag.cut import cut_recording

    with _progress("cutting") as progress:
        counts = cut_recording(recording, out, start, duration, topics or (), lambda done: progress(done, None))
    print(f"{sum(counts.values()):,} messages of {len(counts)} topics in {out}")


@app.command(epilog="Example: ./heron bag record --out R --topics '/camera/*' --topics /can/tap --vehicle config/vehicle/demo")
def record(
    out: Out,
    topics: Topics = None,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of the car's configuration to attach, e.g. config/vehicle/demo.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy folder whose contract and digests are attached.")] = None,
) -> None:
    """Record topics until Ctrl-C; topics that appear later are taken too."""
    from heron_bag.attachments import policy_files, vehicle_files
    from heron_bag.errors import BagError

    if out.exists():
        raise BagError(f"{out}: exists already; give another folder, or remove it")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        raise BagError(f"{out}: cannot be created: no write permission in {above}")
    if vehicle is not None:
        vehicle_files(vehicle)  # refused here, in one sentence, rather than in the container
    if policy is not None:
        policy_files(policy)
    params: dict[str, Any] = {"out": str(out.absolute()), "stop_process": True}
    if topics:
        params["topics"] = topics
    for name, folder in (("vehicle", vehicle), ("policy", policy)):
        if folder:
            params[name] = str(folder.absolute())
    report = _run_alone("heron_bag::Recorder", "recorder", params)
    print(f"{sum(report['messages'].values()):,} messages of {len(report['messages'])} topics in {out}, {report['dropped']:,} dropped")
    if report["error"]:
        print(f"heron bag: {report['error']}", file=sys.stderr)
        raise typer.Exit(EXIT_FAILED)


@app.command(epilog="Examples: ./heron bag play B | ./heron bag play B --rate 0.5 --start 10")
def play(
    recording: Recording,
    rate: Annotated[float, typer.Option(help="Recorded seconds per second.")] = 1.0,
    start: Annotated[float, typer.Option(help="Seconds from the first message.")] = 0.0,
    topics: Topics = None,
) -> None:
    """Publish a recording on its topics in real time, with /clock; for other tools (./heron drive --bag reads it itself)."""
    from heron_bag.reader import open_bag

    open_bag(recording).close()  # refused here, in one sentence, rather than in the container
    params: dict[str, Any] = {"bag": str(recording.absolute()), "rate": rate, "start_s": start, "stop_process": True}
    if topics:
        params["topics"] = topics
    report = _run_alone("heron_bag::Player", "player", params)
    print(f"{report['messages']:,} messages of {len(report['topics'])} topics played")
    for warning in report["warnings"]:
        print(f"WARNING: {warning}")


def _run_alone(plugin: str, name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Runs one component in a container until it or Ctrl-C ends it; returns its part of the report.

    Without a report the run failed: its last lines are shown.
    """
    from heron_runtime.launch_reader import Component, Process
    from heron_runtime.supervisor import Supervisor

    with tempfile.TemporaryDirectory(prefix="heron_bag_") as folder:
        component = Component("heron_bag", plugin, name, "", {**params, "report_dir": folder}, ())
        process = Process(f"{name}_container", "", "heron_runtime", "component_container", (), {}, (), {}, (component,))
        ends = Supervisor([process], None, Path(folder), echo=lambda line: print(line, file=sys.stderr)).run()
        report = Path(folder) / f"{name}.json"
        if not report.is_file():
            print("heron bag: " + "; ".join(end.explain() for end in ends), file=sys.stderr)
            raise typer.Exit(EXIT_FAILED)
        return dict(json.loads(report.read_text(encoding="utf-8"))["report"])
