"""`./heron model list`: what is in a store."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from heron_remote.keys import KeyRing

app = typer.Typer(add_completion=False)

StoreUrl = Annotated[str, typer.Option(help="Folder, or any URL that fsspec opens, such as s3://bucket/policies (its package beside Heron).")]
KeyFile = Annotated[Path | None, typer.Option(help="Key file that signs and checks (./heron remote key new). Default: ~/.config/heron/remote.keys.")]


@app.command("list", epilog="Example: ./heron model list --store /mnt/policies")
def listed(store: StoreUrl, keys: KeyFile = None) -> None:
    """Show the policies of a store, and what there cannot be believed."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    from heron_remote.delivery import stock
    from heron_remote.store import Store

    opened = Store(store)
    rows = stock(opened, key_ring(keys))
    table = Table("name", "digest", "policy", "MB", "pushed (UTC)", "", box=SIMPLE, pad_edge=False)
    for row in rows:
        known = row.manifest
        pushed = datetime.fromtimestamp(known.pushed_ns / 1e9, timezone.utc).strftime("%Y-%m-%d %H:%M") if known else ""
        size = f"{known.size / 1e6:.1f}" if known else ""
        state = f"[red]{row.trouble.replace('[', '(')}[/red]" if row.trouble else ""
        table.add_row(", ".join(row.names), row.digest[:12], known.title if known else "", size, pushed, state)
    console = Console()
    console.print(table if rows else f"{opened.name}: no policies; put one there: ./heron model push POLICY --store {store}")


def key_ring(path: Path | None) -> KeyRing:
    """The keys of a file; None: of the usual one."""
    from heron_remote.config import KEYS
    from heron_remote.keys import load_keys

    return load_keys(Path(KEYS).expanduser() if path is None else path)
