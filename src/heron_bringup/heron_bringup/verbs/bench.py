"""Measure speed: ratios in one run, printed and written to bench.json."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(add_completion=False)


@app.command(epilog="Examples: ./heron bench | ./heron bench preprocess handover --out OUT")
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run; default: all.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for bench.json.")] = Path("out/bench"),
) -> None:
    """Run benchmarks on this machine; quote the ratios, absolute times differ from machine to machine."""
    from heron_bringup.bench import BENCHES
    from heron_bringup.bench import bench as find
    from heron_core.errors import InputError

    chosen = names or list(BENCHES)
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        raise InputError(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    console = Console()
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; give a folder")
    results: dict[str, dict[str, object]] = {}
    out.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        with console.status(f"measuring {name} …"):
            results.update(find(name)())
        table = Table("figure", "value", title=name, title_justify="left")
        for key, value in results[name].items():
            table.add_row(key, str(value))
        console.print(table)
        (out / "bench.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    console.print(f"written: {out / 'bench.json'}", highlight=False, soft_wrap=True)
