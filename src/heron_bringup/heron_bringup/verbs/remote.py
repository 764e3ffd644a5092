"""Remote: a policy on a second computer; serves it to vehicles, makes the keys of both hosts, measures bad links."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from heron_bringup.verbs.remote_matrix import app as matrix_app
from heron_remote.config import KEYS

app = typer.Typer(add_completion=False, no_args_is_help=True)
key_app = typer.Typer(no_args_is_help=True)
app.add_typer(matrix_app)
app.add_typer(key_app, name="key", help="Make and change the key file, which both hosts have.")
KeyFile = Annotated[Path, typer.Argument(help="The key file.")]
Until = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC) on which the new key is taken.")]


@app.command(
    epilog="Examples: ./heron remote serve | ./heron remote serve --policy POLICY --follow --out OUT"
    " | ./heron remote serve --policy POLICY --store STORE --name driveheron"
)
def serve(
    policy: Annotated[Path | None, typer.Option(help="Folder of the policy; the vehicle has the same. Default: the one that ships.")] = None,
    link: Annotated[Path | None, typer.Option(help="Parameter file of the link, as on the vehicle. Default: config/profile/remote.yaml.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop after this much time. Default: Ctrl-C.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.json and the log.")] = Path("out/remote"),
    follow: Annotated[
        bool, typer.Option("--follow", help="A policy that is put into the folder drives once it is judged; vehicles must accept it.")
    ] = False,
    store: Annotated[str | None, typer.Option(help="Follow --name there (./heron model push); --policy is where its policies are put.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the policy in the store.")] = None,
) -> None:
    """Plan for vehicles until Ctrl-C; they run ./heron drive --remote with the same keys and the same policy."""
    from heron_bringup.remote import Following, serve_policy

    console, following = Console(), Following(follow, store or "", name or "")
    serve_policy(policy, link, out, seconds, lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True), following)


@key_app.command("new", epilog="Example: ./heron remote key new, then: scp -p ~/.config/heron/remote.keys OTHER:.config/heron/")
def new(path: KeyFile = Path(KEYS), until: Until = None) -> None:
    """Make a key file with one new key, readable by you alone; copy it to the other host by a safe way."""
    from heron_remote.keys import write_new_key

    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = write_new_key(path, until.date() if until else None)
    print(f"{path}: key {number}; copy the file to the other host: scp -p {path} HOST:{path}")


@key_app.command("rotate", epilog="Example: ./heron remote key rotate --keep 0, where a key may have leaked")
def rotate(
    path: KeyFile = Path(KEYS),
    keep: Annotated[int, typer.Option(help="Previous keys that stay accepted; 0 where they may have leaked.")] = 2,
    until: Until = None,
) -> None:
    """Put a new key in front of the file. On the server first, then start it anew, then copy the file to the vehicle: no gap."""
    from heron_remote import keys

    number = keys.rotate(path.expanduser(), keep, until.date() if until else None)
    print(f"{path.expanduser()}: key {number} signs now; start the server anew, then copy the file to the vehicle")
