"""How good a policy is: many drives in towns that it has never seen, beside the baselines, and probes of what it looks at and listens to."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from heron_sim.evaluation.report import Evaluation, Line
    from heron_sim.evaluation.work import Sentences
    from heron_sim.matrix_jobs import Row

app = typer.Typer(add_completion=False)

EXIT_STOPPED = 130
SENTENCES, PART = 12, 551  # of each manoeuvre and language; of the random numbers
CARD = "evaluation.md"
SEEDS, SCENARIO, BLANK, JUNCTIONS, PROBES = "0:24", "town", 4, 8, 12


@app.command(
    "eval",
    epilog="Examples: ./heron model eval POLICY --out OUT | ./heron model eval POLICY --seeds 0:4 --junctions 0 --probes 0 --out OUT",
)
def evaluate(
    policy: Annotated[Path, typer.Argument(help="Folder of the policy.")],
    out: Annotated[Path, typer.Option(help="Folder for runs.jsonl (a stopped evaluation goes on), report.json, evaluation.md and pictures.")],
    seeds: Annotated[
        str, typer.Option(help="Towns to drive in, as 7, 0:20 or 1,5,10:20; below 50000, those from there on are for training.")
    ] = SEEDS,
    scenario: Annotated[str, typer.Option(help="A name (./heron sim list) or the path of a yaml file.")] = SCENARIO,
    seconds: Annotated[float | None, typer.Option(help="How long each drive lasts; default: as the scenario says.")] = None,
    blank: Annotated[int, typer.Option(min=0, help="Of these towns: driven again with black pictures.")] = BLANK,
    junctions: Annotated[
        int, typer.Option(min=0, help="Single junctions, each with every manoeuvre, by command and by sentences of each language.")
    ] = JUNCTIONS,
    probes: Annotated[
        int,
        typer.Option(
            min=0,
            help="Towns with moments at which one thing is changed: a lamp, a manoeuvre, a sentence; and at which it is asked what sentences mean.",
        ),
    ] = PROBES,
    workers: Annotated[int | None, typer.Option(min=1, max=512, help="Processes; default: one per core.")] = None,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of a car; default: the demonstration car.")] = None,
) -> None:
    """Drive a policy in towns that it has never seen, and say what it keeps of what is demanded; exit 1 when something is missed.

    What it says on the way is held against what matters in the scene and against what it then does, beside explanations that look at nothing.
    """
    from heron_bringup.drive.budget import load_budget
    from heron_bringup.paths import config_folder
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_core.errors import InputError
    from heron_core.rig import load_rig
    from heron_model.words.reading import readings
    from heron_sim.evaluation.report import Evaluation, markdown
    from heron_sim.evaluation.work import Extent, do, plan_work
    from heron_sim.matrix import parse_seeds, run_matrix
    from heron_sim.scenario import lasting, load_scenario
    from heron_vla.folder import load_policy

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    car = vehicle or config_folder() / "vehicle" / "demo"
    LoopCar.load(car)  # what is wrong with it is said once, before anything starts
    folder = load_policy(policy, load_rig(car / "rig.yaml"))
    extent = Extent(tuple(parse_seeds(seeds)), blank, junctions, probes)
    wanted = lasting(load_scenario(scenario, config_folder() / "scenario"), seconds)
    speaks = folder.spec.text is not None
    sentences = held_out_sentences() if speaks else {}
    latency_s = load_budget(config_folder() / "budget.yaml").total_s
    work = plan_work(wanted, policy, car, latency_s, extent, sentences, out, readings() if speaks else (), speaks)
    console, count, begin, stopped = Console(), sum(map(len, work.values())), time.perf_counter(), False
    rows: dict[tuple[str, int, str, str], Row] = {}
    bar = Progress(
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn()),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar as progress:
        task = progress.add_task("evaluating", total=count)

        def on_row(row: Row) -> None:
            rows[row["scenario"], row["seed"], row["policy"], row["fingerprint"]] = row
            progress.update(task, advance=1)
            if not console.is_terminal and len(rows) % max(count // 20, 1) == 0:  # no bar is seen
                console.print(f"  {len(rows)} of {count}, {time.perf_counter() - begin:.0f} s", highlight=False)

        try:
            run_matrix([job for group in work.values() for job in group], out, workers or len(os.sched_getaffinity(0)), on_row, do)
        except KeyboardInterrupt:
            stopped = True
    done = {name: mine for name, group in work.items() if len(mine := [rows[job.key] for job in group if job.key in rows]) == len(group)}
    words, told = judge_words(done)
    evaluation = Evaluation(done, words)
    options = {"scenario": scenario, "seeds": seeds, "seconds": seconds, "blank": blank, "junctions": junctions, "probes": probes, "vehicle": vehicle}
    command = command_of(policy, options)
    about = {"policy": folder.spec.name, "digest": folder.digest, "command": command, "seeds": seeds, "latency_s": latency_s, "stopped": stopped}
    found = about | evaluation.report() | ({"words": told} if told else {})
    (out / "report.json").write_text(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / CARD).write_text(markdown(evaluation, f"On the road: {folder.spec.name} {folder.digest[:12]}", command), encoding="utf-8")
    _tell(console, evaluation, folder.spec.name)
    console.print(f"written: {out / 'report.json'}, {CARD}, runs.jsonl", highlight=False, soft_wrap=True)
    if stopped:
        console.print(f"{len(rows)} of {count} are done; the same command goes on", highlight=False)
        raise typer.Exit(EXIT_STOPPED)
    raise typer.Exit(0 if evaluation.kept and not evaluation.faults() else 1)


def held_out_sentences() -> Sentences:
    """Sentences that no policy was trained with, the same ones every time."""
    import numpy as np

    from heron_model.words.instructions import instruction
    from heron_sim.evaluation.work import LANGUAGES, TURNS

    rng = np.random.default_rng(PART)
    return {
        language: {turn: [instruction(turn.value, language, "held_out", rng, noise=False) for _ in range(SENTENCES)] for turn in TURNS}
        for language in LANGUAGES
    }


def judge_words(done: Mapping[str, Sequence[Row]]) -> tuple[list[Line], dict[str, Any]]:
    """What a policy said and understood, as far as it was asked: lines of the table, and JSON with everything behind them.

    Args:
        done: rows by what they are for; empty lines and JSON for a policy without words.
    """
    from heron_model.words import reading
    from heron_model.words.told import explained
    from heron_sim.evaluation.work import LAMP, LEARNT, POLICY, TURN

    found: list[Line] = []
    report: dict[str, Any] = {}
    if POLICY in done and any(row["driving"] for row in done.get(LEARNT, ())):
        told = explained(done[POLICY], done.get("expert", ()), done[LEARNT])
        found, report["explanations"] = told.lines(), told.report()
    read = [tuple(each) for name in (LAMP, TURN) for row in done.get(name, ()) for each in row["readings"]]
    if read:
        scores = reading.understood(read)
        found, report["instructions"] = [*found, *reading.lines(scores)], reading.report(scores)
    return found, report


def command_of(policy: Path, options: Mapping[str, object]) -> str:
    """The command that makes an evaluation again: scenario and seeds, and what else is not as usual."""
    from heron_bringup.paths import repository_root

    usual = {"seconds": None, "blank": BLANK, "junctions": JUNCTIONS, "probes": PROBES, "vehicle": None}
    root, folder = repository_root(), policy.resolve()
    where = str(folder.relative_to(root.resolve())) if root and folder.is_relative_to(root.resolve()) else policy.name
    named = [f"--{name} {shlex.quote(f'{value:g}' if isinstance(value, float) else str(value))}" for name, value in options.items()]
    wanted = [text for text, (name, value) in zip(named, options.items(), strict=True) if name not in usual or value != usual[name]]
    return " ".join(("./heron model eval", shlex.quote(where), *wanted, "--out OUT"))


def _tell(console: Console, evaluation: Evaluation, name: str) -> None:
    """The table, and what could not be done."""
    table = Table(title=name, title_justify="left", box=SIMPLE, pad_edge=False)
    for head in ("what", "demanded", "policy", "kinematic", "expert"):
        table.add_column(head, justify="left" if head == "what" else "right")
    for line in evaluation.lines():
        colour = "white" if line.kept is None else "green" if line.kept else "red"
        table.add_row(line.text, line.demand, f"[{colour}]{line.found[0] or line.found[1]}[/{colour}]", line.found[1], line.found[2])
    console.print(table)
    for fault in evaluation.faults()[:20]:
        console.print(f"[red]could not be done: {fault}[/red]", highlight=False)
