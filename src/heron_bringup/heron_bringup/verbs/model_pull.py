"""`./heron model pull`: a policy of a store → a folder, in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from heron_bringup.verbs.model_list import KeyFile, StoreUrl, key_ring

app = typer.Typer(add_completion=False)


@app.command(
    "pull",
    epilog="Examples: ./heron model pull driveheron --store /mnt/policies --out POLICY"
    " | ./heron model pull 3f2a90c1d4e5 --store s3://bucket/policies --out POLICY",
)
def pull(
    policy: Annotated[str, typer.Argument(help="Its name in the store, or its digest, or the digest's first 12 digits or more.")],
    store: StoreUrl,
    out: Annotated[Path, typer.Option(help="Policy folder; an older policy there stays beside as FOLDER.previous until the next pull.")],
    keys: KeyFile = None,
) -> None:
    """Fetch a policy: signature, sizes and hashes are checked and the policy is opened before it takes its place, whole. A stopped pull goes on."""
    from rich.console import Console

    from heron_remote.delivery import find
    from heron_remote.pull import pull as fetch
    from heron_remote.store import Store

    console, opened = Console(), Store(store)
    manifest = find(policy, opened, key_ring(keys)).manifest
    with console.status("fetching"):
        changed = fetch(manifest, opened, out, lambda text: console.print(f"  {text}", highlight=False))
    what = f"policy {manifest.title} {manifest.policy[:12]}, {manifest.size / 1e6:.1f} MB"
    console.print(f"{out}: {what}{'' if changed else ', was there already'}. Drive it: ./heron drive --policy {out}", highlight=False, soft_wrap=True)
