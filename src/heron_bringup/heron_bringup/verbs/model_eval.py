"""How good a policy is: many drives in towns that it has never seen, beside the baselines, and probes of what it looks at and listens to."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from heron_sim.evaluation.report import Evaluation
    from heron_sim.evaluation.work import Sentences

app = typer.Typer(add_completion=False)

EXIT_STOPPED = 130
SENTENCES, PART = 12, 551  # of each manoeuvre and language; of the random numbers
CARD = "evaluation.md"


@app.command(
    "eval",
    epilog="Examples: ./heron model eval POLICY --seeds 0:20 --out OUT | ./heron model eval POLICY --seeds 0:4 --junctions 0 --probes 0 --out OUT",
)
def evaluate(
    policy: Annotated[Path, typer.Argument(help="Folder of the policy.")],
    out: Annotated[Path, typer.Option(help="Folder for runs.jsonl (a stopped evaluation goes on), report.json, evaluation.md and pictures.")],
    seeds: Annotated[
        str, typer.Option(help="Towns to drive in, as 7, 0:20 or 1,5,10:20; below 50000, those from there on are for training.")
    ] = "0:20",
    scenario: Annotated[str, typer.Option(help="A name (./heron sim list) or the path of a yaml file.")] = "town",
    seconds: Annotated[float | None, typer.Option(help="How long each drive lasts; default: as the scenario says.")] = None,
    blank: Annotated[int, typer.Option(min=0, help="Of these towns: driven again with black pictures.")] = 4,
    junctions: Annotated[
        int, typer.Option(min=0, help="Single junctions, each with every manoeuvre, by command and by sentences of each language.")
    ] = 8,
    probes: Annotated[int, typer.Option(min=0, help="Towns with a moment at which one thing is changed: a lamp, a manoeuvre, a sentence.")] = 12,
    workers: Annotated[int | None, typer.Option(min=1, max=512, help="Processes; default: one per core.")] = None,
    vehicle: Annotated[Path | None, typer.Option(help="Folder of a car; default: the demonstration car.")] = None,
) -> None:
    """Drive a policy in towns that it has never seen, and say what it keeps of what is demanded; exit 1 when something is missed."""
    from heron_bringup.drive.budget import load_budget
    from heron_bringup.paths import config_folder
    from heron_control.proving_ground.closed_loop import LoopCar
    from heron_core.errors import InputError
    from heron_core.rig import load_rig
    from heron_sim.evaluation.report import Evaluation, markdown
    from heron_sim.evaluation.work import Extent, do, plan_work
    from heron_sim.matrix import parse_seeds, run_matrix
    from heron_sim.matrix_jobs import Row
    from heron_sim.scenario import lasting, load_scenario
    from heron_vla.folder import load_policy

    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    car = vehicle or config_folder() / "vehicle" / "demo"
    LoopCar.load(car)  # what is wrong with it is said once, before anything starts
    folder = load_policy(policy, load_rig(car / "rig.yaml"))
    extent = Extent(tuple(parse_seeds(seeds)), blank, junctions, probes)
    wanted = lasting(load_scenario(scenario, config_folder() / "scenario"), seconds)
    sentences = held_out_sentences() if folder.spec.text else {}
    latency_s = load_budget(config_folder() / "budget.yaml").total_s
    work = plan_work(wanted, policy, car, latency_s, extent, sentences, out)
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
    evaluation = Evaluation(
        {name: done for name, group in work.items() if len(done := [rows[job.key] for job in group if job.key in rows]) == len(group)}
    )
    command = f"./heron model eval {shlex.quote(policy.name)} --scenario {scenario} --seeds {seeds} --out OUT" + (
        f" --seconds {seconds:g}" if seconds else ""
    )
    about = {"policy": folder.spec.name, "digest": folder.digest, "command": command, "seeds": seeds, "latency_s": latency_s, "stopped": stopped}
    found = about | evaluation.report()
    (out / "report.json").write_text(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / CARD).write_text(markdown(evaluation, f"On the road: {folder.spec.name} {folder.digest[:12]}", command), encoding="utf-8")
    _tell(console, evaluation, folder.spec.name)
    console.print(f"written: {out / 'report.json'}, {CARD}, runs.jsonl", highlight=False)
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
