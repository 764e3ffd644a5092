"""A vehicle's link and a server in one process, joined by a wire."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from plans_of_two import FakeThinker, FakeVoice, Wire, question
from two_ends import ring

from heron_core.clock import Instant
from heron_remote.envelope import Kind
from heron_remote.keys import KeyRing
from heron_remote.remote_policy import RemotePolicy
from heron_remote.server import PolicyServer
from heron_remote.server_end import ServerEnd
from heron_remote.traffic import Traffic
from heron_remote.vehicle_link import VehicleLink, wall
from heron_vla.folder import PolicyFolder
from heron_vla.session import Answer


@dataclass
class _End:
    """A gateway of the wire."""

    wire: Wire
    to: str

    def forward(self, envelope: bytes) -> None:
        self.wire.send(self.to, envelope)

    def close(self) -> None:
        self.wire.hears.pop("vehicle", None)


class Both:
    """A vehicle and, when it is started, a server."""

    def __init__(self, folder: PolicyFolder, keys: KeyRing) -> None:
        self.folder, self.wire, self.thinker = folder, Wire(), FakeThinker()
        self.server_ahead_ns = 0
        self.traffic = Traffic(0, False)
        self.link = VehicleLink(keys, folder.digest, self.traffic, self._connect)
        self.wait_s = 1.0
        self.policy = RemotePolicy(self.link, folder.digest, lambda f: self.wait_s, lambda f: 0, lambda name, ms: None, self.traffic)
        self.stamps = itertools.count(5)
        self._pool = ThreadPoolExecutor(4)  # a thread for each job, as the server has

    def _connect(self, heard: Callable[[bytearray], None]) -> _End:
        self.wire.hears["vehicle"] = heard
        return _End(self.wire, "server")

    def serve(self, keys: KeyRing | None = None, policy: str = "") -> PolicyServer:
        """Starts the server, or another life of it."""
        end = ServerEnd(keys or ring(1), lambda: os.urandom(8), policy or self.folder.digest)
        voice, send = FakeVoice(), _End(self.wire, "vehicle").forward
        server = PolicyServer(end, self.folder, self.thinker, None, voice, send, self.server_now)

        def hear(data: bytearray) -> None:
            job = server.hear(data)
            if job is not None:
                think = {Kind.REQUEST: server.plan, Kind.READ: server.read, Kind.SPEECH: server.say}[job.opened.kind]
                self._pool.submit(think, job)

        self.wire.hears["server"] = hear
        return server

    def server_now(self) -> Instant:
        at = wall()
        return Instant(at.now_ns + self.server_ahead_ns, at.steady_ns)

    def ask(self) -> Answer:
        return self.policy.answer(question(next(self.stamps), self.folder.image_shapes))

    def close(self) -> None:
        self.link.close()
        self.wire.close()
        self._pool.shutdown()
