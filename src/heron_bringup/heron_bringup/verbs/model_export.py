"""`./heron model export`: a trained model → a policy folder that drives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer()


@app.command("export", epilog="Example: ./heron model export out/model --out out/policy")
def export(
    checkpoint: Annotated[Path, typer.Argument(help="Folder that a training left: config.json, driveheron.yaml, weights, tokenizer.json.")],
    out: Annotated[Path, typer.Option(help="Policy folder to write; an older policy there is replaced.")],
    name: Annotated[str, typer.Option(help="Of the policy.")] = "driveheron",
    precision: Annotated[
        str, typer.Option(help="fp32, or bf16: faster where the car's processor has it, and rounded there; evaluate what you ship.")
    ] = "fp32",
) -> None:
    """Export a trained model as a policy: ONNX graphs for planning and for words, written once they are equal to PyTorch in every output."""
    from rich.console import Console

    if precision not in ("fp32", "bf16"):
        raise typer.BadParameter(f"{precision}: fp32 or bf16", param_hint="--precision")
    write(checkpoint, out, Console(), name, "bf16" if precision == "bf16" else "fp32")


def write(checkpoint: Path, out: Path, console: Console, name: str = "driveheron", precision: Literal["fp32", "bf16"] = "fp32") -> None:
    """Exports, telling what is being done and what came of it."""
    from heron_model.export.policy import write_policy
    from heron_model.hugging_face import load

    with console.status("opening the checkpoint") as status:
        folder = write_policy(load(checkpoint), out, name, tell=lambda step: status.update(step), precision=precision)
    size_mb = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    console.print(
        f"{folder}: policy {name}, {size_mb:.1f} MB, equal to PyTorch in every output. Drive it: ./heron drive --policy {folder}", highlight=False
    )
