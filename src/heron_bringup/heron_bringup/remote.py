"""Serving a policy to vehicles: the launch file under a supervisor, and its report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from heron_bringup.drive.inputs import prepare_out
from heron_bringup.drive.outcome import policy_folder
from heron_bringup.drive.report import join_reports, read_component_reports, write_report
from heron_bringup.paths import config_folder, launch_folder, shipped_policy
from heron_bringup.secured import check_graph
from heron_core.errors import HeronError, InputError
from heron_remote.config import ServerConfig
from heron_remote.delivery import find
from heron_remote.keys import load_keys
from heron_remote.pull import pull
from heron_remote.store import Store
from heron_runtime.domain import own_domain
from heron_runtime.launch_reader import Process, parse
from heron_runtime.params import config_from_parameters, split_runtime
from heron_runtime.supervisor import Supervisor
from heron_vla.folder import load_policy


class Following(NamedTuple):
    """Where the server finds its next policy: in its folder, or by a name in a store; nowhere by default."""

    folder: bool = False
    store: str = ""
    name: str = ""


class ServeError(HeronError):
    """The server did not end in order."""

    is_failure = True


def serve_policy(
    policy: Path | None, link: Path | None, out: Path, seconds: float | None, say: Callable[[str], None], following: Following | None = None
) -> dict[str, Any]:
    """Serves until SIGINT or SIGTERM, or for `seconds`; writes `report.json` and returns what is in it.

    Args:
        policy: folder of the policy; None: the one that ships.
        link: parameter file of the link; None: config/profile/remote.yaml.
        out: gets report.json, log/.
        seconds: None: until a signal.
        say: gets one line per step, for the person at the terminal.
        following: where the next policy comes from; of a store the first one, too.

    Raises:
        HeronError: an input cannot be used, or the server failed; the text says why.
    """
    following, link = following or Following(), link or config_folder() / "profile" / "remote.yaml"
    if not link.is_file():
        raise InputError(f"--link {link} is no file; give the link's parameters, such as config/profile/remote.yaml")
    if following.store or following.name:
        if policy is None or not following.store or not following.name:
            raise InputError("--store, --name and --policy belong together: which name is followed, where, and into which folder its policies go")
        _first(policy, link, following, say)
    folder = policy or shipped_policy()
    if folder is None:
        raise InputError("no policy ships with this installation; give --policy FOLDER")
    folder = policy_folder(str(folder))
    prepare_out(out, [folder, link])
    arguments = {"policy": str(folder.resolve()), "link": str(link.resolve()), "report_dir": str((out / "components").resolve())}
    arguments |= {"follow": str(following.folder).lower(), "store": _absolute(following.store), "name": following.name}
    processes, config = _launched(arguments, link)
    ring, opened = load_keys(config.remote.key_path), load_policy(folder)  # a wrong file is told before any process starts
    for expired in ring.expired:
        say(f"warning: {config.remote.key_path}: key {expired} has expired and is not taken any more")
    until_s = None if seconds is None else time.monotonic() + seconds
    with own_domain(os.environ) as domain:
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        check_graph(processes, environment)
        say(f"serving {opened.spec.name} ({opened.digest[:12]}) with key {ring.signing.id} on domain {config.remote.domain}; Ctrl-C ends")
        supervisor = Supervisor(processes, environment, out, say)
        exits = supervisor.run(lambda: until_s is not None and time.monotonic() > until_s)
    reports, damaged = read_component_reports(out / "components")
    report = join_reports(reports)
    report["failed"] = [*(process.explain() for process in exits if process.failed), *damaged]
    say(f"report: {write_report(report, out)}")
    if report["failed"]:
        raise ServeError("; ".join(report["failed"]))
    return report


def _launched(arguments: dict[str, str], link: Path) -> tuple[list[Process], ServerConfig]:
    processes = parse(launch_folder() / "remote.launch.xml", arguments)
    return processes, config_from_parameters(ServerConfig, split_runtime(processes[0].components[0].params)[1], str(link))


def _first(folder: Path, link: Path, following: Following, say: Callable[[str], None]) -> None:
    """The policy to begin with; where the store cannot be reached, the one that the folder has."""
    config = _launched({"policy": str(folder), "link": str(link.resolve())}, link)[1]
    store, ring = Store(following.store), load_keys(config.remote.key_path)
    try:
        pull(find(following.name, store, ring).manifest, store, folder, say)
    except HeronError as error:
        if not folder.is_dir():
            raise
        say(f"warning: {error}; begins with what {folder} has")


def _absolute(store: str) -> str:
    """A store for a process that may run elsewhere: a folder by its whole path, a URL as it is."""
    return store if not store or "://" in store or "::" in store else str(Path(store).expanduser().resolve())
