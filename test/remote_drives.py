"""A vehicle and a server on two hosts that are network namespaces, drives between them, and what is true of every one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from drives import Ended, Running, heron, report_of, until

from heron_bag.native import can_batches, control_statuses, plans
from heron_bag.reader import open_bag
from heron_bringup.actuation.frame_judge import BusFrame, Rules, judge
from heron_bringup.drive.simulated import START_NS
from heron_bringup.two_hosts import Host, two_hosts
from heron_core.canbus import FLAG_TX
from heron_core.errors import InputError
from heron_core.signals import Engagement, Ladder
from heron_remote.keys import write_new_key


def link_file(folder: Path, name: str = "link", **remote: Any) -> Path:
    """A key, and the link's parameters that name it."""
    keys = folder / "remote.keys"
    if not keys.exists():
        write_new_key(keys)
    both = {"keys": str(keys), "domain": 78}
    path = folder / f"{name}.yaml"
    vehicle = {"remote": {**both, "connect_s": 30.0, **remote}}
    path.write_text(yaml.safe_dump({"/policy": {"ros__parameters": vehicle}, "/policy_server": {"ros__parameters": {"remote": both}}}))
    return path


@contextmanager
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts, or the reason for skipping the test."""
    with ExitStack() as stack:
        try:
            both = stack.enter_context(two_hosts())
        except InputError as error:
            pytest.skip(str(error))
        yield both


@contextmanager
def serving(host: Host, link: Path, out: Path, *options: object) -> Iterator[Running]:
    """`./heron remote serve` on a host; ended by Ctrl-C."""
    server = Running("remote", "serve", "--link", link, "--out", out, *options, log=out.with_suffix(".txt"), through=host.through)
    try:
        until(lambda: "all 1 components are up" in server.text() or server.process.poll() is not None, 60, "the server")
        assert server.process.poll() is None, server.text()
        yield server
        server.ctrl_c()
        assert server.wait(20) == 0, server.text()
        assert not server.pids()
    finally:
        server.close()


def remote_drive(vehicle: Host, link: Path, out: Path, *words: object, timeout_s: float = 110.0) -> Ended:
    return heron("drive", *words, "--remote", link, "--out", out, timeout_s=timeout_s, through=vehicle.through)


def plans_of(out: Path) -> list[Any]:
    with open_bag(out / "bag") as bag:
        return [plan for _, plan in plans(bag)]


def rungs(out: Path) -> set[Ladder]:
    """Rungs of the ladder that control stood on."""
    with open_bag(out / "bag") as bag:
        return {status.ladder for _, status in control_statuses(bag)}


def check_frames(out: Path) -> None:
    """No frame on the bus breaks a limit, and at the end the car is driven, or held by the ladder, or stands."""
    with open_bag(out / "bag") as bag:
        stream = [
            BusFrame(stamp, batch.channel, can_id, data, bool(flags & FLAG_TX))
            for _, batch in can_batches(bag)
            for stamp, can_id, flags, data in zip(batch.stamp_ns.tolist(), batch.ids.tolist(), batch.flags.tolist(), batch.payloads(), strict=True)
        ]
        last = [status for _, status in control_statuses(bag)][-1]
    stream.sort(key=lambda frame: (frame.time_ns, frame.sent))  # batches come by channel: what the car says at a moment was heard before the answer
    heard = next(i for i, frame in enumerate(stream) if not frame.sent)  # the first tick's own frames are recorded before any of the car's
    found = judge(stream[heard:], Rules.load(out / "vehicle"))
    assert found.frames > 100 and found.requests > 100 and not found.violations, found.violations[:3]
    assert last.engagement is not Engagement.FAULT


def collisions_of_faults(out: Path) -> list[str]:
    """Collisions at fault of a drive in the world, less those of the driver: control had stood on the lowest rung for three seconds."""
    with open_bag(out / "bag") as bag:
        higher_s = [(status.stamp_ns - START_NS) / 1e9 for _, status in control_statuses(bag) if status.ladder is not Ladder.OK]
    hit = [event for event in report_of(out)["driving"]["events"] if ", at fault:" in event["text"]]
    return [f"{event['time_s']} s: {event['text']}" for event in hit if any(event["time_s"] - 3.0 <= at <= event["time_s"] for at in higher_s)]
