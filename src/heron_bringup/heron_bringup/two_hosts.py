"""Two hosts on one machine: network namespaces joined by a cable, which may be slow, lose packets and be cut. For the bench and the tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from heron_bringup.relay import TUN, CableConfig
from heron_core.errors import HeronError, InputError

QUEUE_FRAMES = 10_000
"""That a card holds for the relay: what is lost, the relay loses."""


class CableError(HeronError):
    """The process between both hosts died."""

    is_failure = True


@dataclass(frozen=True)
class Host:
    """One end of the cable.

    Attributes:
        name: of the namespace.
        card: its network card.
        address: on the card.
    """

    name: str
    card: str
    address: str

    @property
    def through(self) -> list[str]:
        """The command that runs another one on this host."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *command: object) -> str:
        """Runs a short command here; what it says."""
        return subprocess.run([*self.through, *map(str, command)], check=True, capture_output=True, text=True, timeout=30).stdout

    def sent_bytes(self) -> int:
        """By its card, Ethernet frames and all."""
        return int(self.run("cat", f"/sys/class/net/{self.card}/statistics/tx_bytes"))


class Cable:
    """What joins two hosts: a process, see `relay`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def change(self, config: CableConfig) -> list[dict[str, int]]:
        """From now on it is like this; returns what became of the frames since the last change, vehicle to server and back: see `relay.Way`.

        Raises:
            CableError: the relay died.
        """
        assert self._process.stdin is not None
        try:
            print(json.dumps(asdict(config)), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            raise CableError("the relay between both hosts died; what it said is on stderr") from error
        return self.heard()

    def heard(self) -> list[dict[str, int]]:
        """The next thing that the relay says.

        Raises:
            CableError: it died.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CableError("the relay between both hosts died; what it said is on stderr")
        counts: list[dict[str, int]] = json.loads(line)
        return counts


class Relayed(NamedTuple):
    """Two hosts, and the cable between them."""

    vehicle: Host
    server: Host
    cable: Cable


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """A vehicle and a server, joined by a veth pair, which is as fast as the machine; both are gone afterwards.

    Raises:
        InputError: namespaces cannot be made here; the text says why.
    """
    with _hosts() as (vehicle, server):
        _ip("link", "add", vehicle.card, "netns", vehicle.name, "type", "veth", "peer", "name", server.card, "netns", server.name)
        _plug_in(vehicle, server)
        yield vehicle, server


@contextmanager
def relayed_hosts() -> Iterator[Relayed]:
    """A vehicle and a server, joined by a cable that can be made worse; everything is gone afterwards.

    Raises:
        InputError: namespaces or TAP devices cannot be made here; the text says why.
    """
    if not Path(TUN).exists():
        raise InputError(f"a cable that takes its time needs TAP devices, and here is no {TUN}: modprobe tun")
    with _hosts() as (vehicle, server):
        command = [sys.executable, "-m", "heron_bringup.relay", vehicle.card, server.card]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                cable = Cable(process)
                try:
                    cable.heard()
                except CableError as error:
                    raise InputError(f"TAP devices cannot be made here: {error}") from error
                for host in (vehicle, server):
                    _ip("link", "set", host.card, "txqueuelen", str(QUEUE_FRAMES), "netns", host.name)
                _plug_in(vehicle, server)
                yield Relayed(vehicle, server, cable)
            finally:
                process.kill()


@contextmanager
def _hosts() -> Iterator[tuple[Host, Host]]:
    """Both namespaces, without cards yet."""
    if os.geteuid() != 0:
        raise InputError("network namespaces need root")
    if shutil.which("ip") is None:
        raise InputError("network namespaces need iproute2: apt-get install iproute2")
    mark = str(os.getpid() % 100_000)
    vehicle, server = (Host(f"heron-{side}-{mark}", f"h{side}{mark}", f"10.77.0.{n}") for n, side in ((1, "v"), (2, "s")))
    try:
        for host in (vehicle, server):
            _ip("netns", "add", host.name)
        yield vehicle, server
    finally:
        for host in (vehicle, server):
            if Path("/var/run/netns", host.name).exists():
                subprocess.run(["ip", "netns", "delete", host.name], capture_output=True, timeout=30)


def _plug_in(*hosts: Host) -> None:
    for host in hosts:
        _ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", host.card)
        for card in (host.card, "lo"):
            _ip("-n", host.name, "link", "set", card, "up")


def _ip(*words: str) -> None:
    try:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=30)
    except subprocess.CalledProcessError as error:
        raise InputError(f"network namespaces cannot be made here: ip {' '.join(words)}: {error.stderr.strip()}") from error
