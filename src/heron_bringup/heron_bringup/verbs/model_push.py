"""`./heron model push`: a policy folder → a store, signed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from heron_bringup.verbs.model_list import KeyFile, StoreUrl, key_ring

app = typer.Typer(add_completion=False)


@app.command(
    "push",
    epilog="Examples: ./heron model push RUN/policy --store /mnt/policies | ./heron model push RUN/policy --store s3://bucket/policies --name night",
)
def push(
    policy: Annotated[Path, typer.Argument(help="Folder of the policy; it is checked as the car does.")],
    store: StoreUrl,
    name: Annotated[str | None, typer.Option(help="That stands for this policy from now on. Default: the name in its policy.yaml.")] = None,
    keys: KeyFile = None,
) -> None:
    """Put a policy into a store, under a name. Killed at any moment, it leaves nothing that a pull would take; again, it goes on."""
    from rich.console import Console

    from heron_remote import delivery
    from heron_remote.store import Store

    console = Console()
    with console.status("checking the policy"):
        pointer = delivery.push(policy, Store(store), key_ring(keys), name, time.time_ns(), lambda text: console.print(f"  {text}", highlight=False))
    pulled = f"./heron model pull {pointer.name} --store {store} --out FOLDER"
    console.print(f"{pointer.name} is policy {pointer.policy} now; fetch it: {pulled}", highlight=False, soft_wrap=True)
