"""The two components: a policy on the vehicle that thinks elsewhere, and the one that thinks for it there."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from heron_core.errors import ConfigError
from heron_core.frames import FrameSet
from heron_core.rig import load_rig
from heron_remote.config import RemotePolicyConfig, ServerConfig
from heron_remote.envelope import MAX_BODY, NONCE_BYTES, Kind
from heron_remote.follower import Follower, Note, Source
from heron_remote.gateway.process import GatewayProcess
from heron_remote.keys import KeyRing, load_keys
from heron_remote.pictures import LOSSLESS
from heron_remote.remote_policy import RemotePolicy, RemoteVoice
from heron_remote.server import Job, PolicyServer
from heron_remote.server_end import ServerEnd
from heron_remote.serving import open_serving
from heron_remote.simulated_link import SimulatedLink
from heron_remote.stand_in import StandIn, check_stand_in
from heron_remote.store import Store
from heron_remote.traffic import Traffic
from heron_remote.turns import Turns
from heron_remote.vehicle_link import RemoteError, VehicleLink, wall
from heron_runtime.diagnostics import ERROR
from heron_runtime.host import Worker
from heron_runtime.node import HeronNode
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.planning import Asked, Mind, PlanningNode, Thought
from heron_vla.session import Answer, OnnxPolicy
from heron_vla.signature import PolicyError

HEAD_ROOM = 70_000
"""Bytes of a request beside its pictures, at most."""
STEP_NS = 5_000_000
"""How finely arrivals over a simulated link are told apart."""
LOOK_NS = 500_000_000
"""Between two looks at how the link does."""


class RemotePolicyNode(PlanningNode):
    """The vehicle's component: what `heron_vla::PolicyNode` is, but the server thinks."""

    Config = RemotePolicyConfig

    def open_mind(self, folder: PolicyFolder) -> Mind:
        """The link to the server; in lock-step it waits for it, on the car plans begin when it answers."""
        remote = self.config.remote
        ring = load_keys(remote.key_path)
        _check_size(folder, remote.quality)
        self._simulated = SimulatedLink(remote.simulated)
        self._on_the_way: list[tuple[int, int, Thought]] = []  # on simulated time: due, place, thought
        self._stand_in: StandIn | None = None
        if remote.fallback.policy:
            self._open_stand_in(folder)  # before anybody waits for the server
        self._traffic = Traffic(remote.quality, remote.adaptive and not self.lockstep)
        self._link = VehicleLink(ring, folder.digest, self._traffic, self._open_gateway, accept=remote.accept)
        self.at_end(self._link.close)
        if self.lockstep:
            self._link.wait(remote.connect_s)
            if not remote.simulated.ideal:
                self.every(STEP_NS, self._bring)
        elif not remote.simulated.ideal:
            raise ConfigError(f"{self.get_name()}: remote.simulated is for runs on simulated time; here the link is as bad as it is")
        else:
            self.every(LOOK_NS, self._look)
        self._thinker = self._asking(folder)
        if folder.language is None:
            return Mind(self._thinker)
        return Mind(self._thinker, self._asking(folder, reading=True), RemoteVoice(self._link))

    def parallel(self) -> int:
        """Requests that may be on their way at a time."""
        return int(self.config.remote.in_flight)

    def settle(self, index: int, result: Thought) -> None:
        """On simulated time a thought comes as late as the simulated link has it, or never, which shows when nobody waits any more."""
        if self.config.remote.simulated.ideal:
            super().settle(index, result)
            return
        delay_ns = self._simulated.delay_ns(result.start_ns, self._thinker.sent_bytes)
        until_ns = max(self.now_ns(), result.frames.stamp_ns + self.config.wait_ms * 1_000_000)
        due_ns = until_ns if delay_ns is None else self.now_ns() + delay_ns
        if delay_ns is None:
            result = result._replace(answer=RemoteError("remote: lost on the simulated link"))
        elif due_ns > until_ns:
            due_ns, result = until_ns, result._replace(answer=RemoteError("remote: too late on the simulated link"))
        self._on_the_way.append((due_ns, index, result))

    def asked(self, asked: Asked) -> None:
        """While the policy on board drives, it plans on every frame set; the server is asked on, which shows when it is back."""
        self._latest = asked
        if self._stand_in is not None and self._stand_in.drives:
            self._standing_in.submit(asked)

    def conclude(self, result: Thought) -> bool:
        """With a policy on board, it plans where the server does not, until the server answers again."""
        stand_in = self._stand_in
        if stand_in is None:
            return super().conclude(result)
        if isinstance(result.answer, PolicyError):
            self.count("no_answer")
            if stand_in.missed(result.order, self.now_ns()):
                self.event(
                    "remote",
                    f"{str(result.answer).removeprefix('remote: ')}; policy {self._on_board.folder.spec.name} on board plans",
                    "fallback_began",
                )
                self._standing_in.submit(self._latest)
            return False
        drove = stand_in.drives
        if stand_in.came(result.order, self.now_ns()):
            self.event("remote", "the server answers again, and plans from the next images on", "fallback_ended")
        return not drove and super().conclude(result)

    def report_mind(self) -> dict[str, Any]:
        """Where the policy thinks, and how the link was."""
        clock, gateway = self._link.clock(), self._gateway
        link = {
            **self._traffic.report(wall().steady_ns),
            "answers_of": dict(self._thinker.answers_of),
            "messages": {name: n for name, n in sorted(self._link.counts.items()) if n},
            "sent_bytes": gateway.sent_bytes,
            "heard_bytes": gateway.heard_bytes,
            "displaced": gateway.displaced,
            "gateway_restarts": gateway.restarts,
            "clock": None if clock is None else {"offset_ms": clock.offset_ns / 1e6, "uncertainty_ms": clock.uncertainty_ns / 1e6},
        }
        if not self.config.remote.simulated.ideal:
            link["simulated"] = {**self._simulated.counts, "cuts": len(self._simulated.cuts)}
        stand_in = self._stand_in
        if stand_in is not None:
            driven = {"plans": stand_in.plans, "times": stand_in.times, "driven_s": round(stand_in.driven_s(self.now_ns()), 3)}
            link["fallback"] = {"policy": self._on_board.digest, **driven}
        policy = {"name": self._folder.spec.name, "digest": self._folder.digest, "backend": "remote", "provider": "remote"}
        return {"policy": policy, "image_copies": 0, "remote": link}

    def _asking(self, folder: PolicyFolder, reading: bool = False) -> RemotePolicy:
        return RemotePolicy(
            self._link, folder.digest, self._wait_s, lambda frames: self.now_ns() - frames.stamp_ns, self.trace_data.add, self._traffic, reading
        )

    def _open_stand_in(self, folder: PolicyFolder) -> None:
        """The policy on board and its thread."""
        config: RemotePolicyConfig = self.config
        rig = load_rig(Path(config.rig)) if config.rig else None
        other = load_policy(Path(config.remote.fallback.policy).expanduser(), rig)
        check_stand_in(folder, other)
        self._on_board = OnnxPolicy(other, config.providers, config.threads, config.warm_up, config.backend)
        self._stand_in = StandIn(config.remote.fallback.returns)
        self._standing_in = self.worker("inference", self._think_on_board, self._thought_on_board)

    def _think_on_board(self, asked: Asked) -> Thought:
        """In a thread of its own. Sentences are the server's business: the policy on board follows the manoeuvre."""
        start_ns = self.now_ns()
        try:
            answer: Answer | PolicyError = Answer(self._on_board.plan(replace(asked.request, text="")))
        except PolicyError as error:
            answer = error
        return Thought(asked.order, asked.request.frames, start_ns, answer)

    def _thought_on_board(self, thought: Thought) -> None:
        assert self._stand_in is not None
        if super().conclude(thought):  # under the name of the vehicle's policy, which is the one that may drive
            self._stand_in.plans += 1

    def _open_gateway(self, heard: Any) -> GatewayProcess:
        remote = self.config.remote
        self._gateway = GatewayProcess("vehicle", remote.domain, remote.dds_path, heard, remote.keystore_path)
        return self._gateway

    def _wait_s(self, frames: FrameSet) -> float:
        """How long an answer is of use: as long as a plan made now would be, or until the policy on board plans.

        On simulated time, which stands still meanwhile, so long as we have patience.
        """
        if self.lockstep:
            return float(self.config.remote.answer_s)
        return float(frames.stamp_ns + self.config.wait_ms * 1_000_000 - self.now_ns()) / 1e9

    def _bring(self) -> None:
        """What has arrived over the simulated link, in the order in which it does."""
        due = [each for each in self._on_the_way if each[0] <= self.now_ns()]
        self._on_the_way = [each for each in self._on_the_way if each[0] > self.now_ns()]
        for _, index, result in sorted(due, key=lambda each: each[0]):
            super().settle(index, result)

    def _look(self) -> None:
        if self._stand_in is not None:  # an error would make control stop the car, which the policy on board is there to drive
            return
        found = self._traffic.diagnosis(wall().steady_ns)
        self.trouble("remote", self._link.trouble() or (found.text if found.level == ERROR else ""))


class PolicyServerNode(HeronNode):
    """The server's component: hosts a policy folder for vehicles with the same keys."""

    NAME = "policy_server"
    Config = ServerConfig

    def setup(self) -> None:
        """Opens the policy, warms it up, listens."""
        config: ServerConfig = self.config
        if not config.policy:
            raise ConfigError(f"{self.get_name()}: parameter policy is empty, expected a policy folder")
        if self.lockstep:
            raise ConfigError(f"{self.get_name()}: serves another host, and so not on simulated time")
        folder = load_policy(Path(config.policy))
        ring = load_keys(config.remote.key_path)
        self._end = ServerEnd(ring, lambda: os.urandom(NONCE_BYTES), folder.digest)
        serving = open_serving(folder, config)
        self._server = PolicyServer(self._end, folder, *serving.mind, self._send, wall)
        self._planning = self._in_turn("inference", self._server.plan)
        self._thinking = {
            Kind.REQUEST: self._planning,
            Kind.READ: self._in_turn("speech", self._server.read),
            Kind.SPEECH: self._in_turn("speech", self._server.say),
        }
        self._known: tuple[bytes, ...] = ()
        self._gateway = GatewayProcess("server", config.remote.domain, config.remote.dds_path, self._heard, config.remote.keystore_path)
        self.at_end(self._gateway.close)
        self.every(1_000_000_000, self._look)
        self._follower: Follower | None = None
        if config.follow or config.store:
            self._follow(ring)
        self.get_logger().info(f"serving {folder.spec.name} ({folder.digest[:12]}) from {folder.path} with {serving.backend}")

    def report(self) -> dict[str, Any]:
        """Requests and what became of them, messages refused and why."""
        serving, follower = self._server.serving, self._follower
        return {
            "policy": {"name": serving.folder.spec.name, "digest": serving.folder.digest, "backend": serving.backend},
            **({} if follower is None else {"next_policies": dict(sorted(follower.counts.items()))}),
            "requests": dict(sorted(self._server.counts.items())),
            "messages": {name: n for name, n in sorted(self._end.counts.items()) if n},
            "displaced": {"requests": self._planning[0].displaced, "answers": self._gateway.displaced},
            "gateway_restarts": self._gateway.restarts,
        }

    def _in_turn(self, stage: str, think: Callable[[Job], object]) -> tuple[Turns, Worker]:
        """A worker that thinks as often as somebody joined the line, each time for the vehicle whose turn it is."""
        turns = Turns()
        return turns, self.worker(stage, lambda _: think(turns.take()), _done, newest_only=False)

    def _follow(self, ring: KeyRing) -> None:
        """Looks for new policies, in a thread of its own."""
        config: ServerConfig = self.config
        source = Source(Store(config.store), config.name, ring) if config.store else None
        follower = self._follower = Follower(self._server, Path(config.policy), lambda opened: open_serving(opened, config), source)
        looking = self.worker("follow", lambda _: follower.look(), self._tell)
        self.every(round(config.look_s * 1e9), lambda: looking.submit(None))

    def _tell(self, notes: list[Note]) -> None:
        for note in notes:
            self.event("policy", note.text, note.cause)

    def _send(self, envelope: bytes) -> None:
        self._gateway.forward(envelope)

    def _heard(self, data: bytearray) -> None:
        """In the gateway's thread."""
        job = self._server.hear(data)
        if job is None:
            return
        turns, worker = self._thinking[job.opened.kind]
        if turns.put(job):
            worker.submit(None)

    def _look(self) -> None:
        if self._end.vehicles != self._known:
            self._known = self._end.vehicles
            self.event("remote", f"vehicles that are served: {', '.join(each.hex()[:8] for each in self._known) or 'none'}")


def _check_size(folder: PolicyFolder, quality: int) -> None:
    """Whether the policy's pictures fit an envelope as they are.

    Raises:
        ConfigError: they do not.
    """
    shapes = folder.image_shapes
    pixels = sum(prod(shapes[now]) for now in (*shapes, *(now for now, _ in folder.past_inputs.values())))
    if quality == LOSSLESS and pixels + HEAD_ROOM > MAX_BODY:
        size = f"pictures of {pixels / 1e6:.1f} MB a plan, an envelope holds {MAX_BODY / 1e6:.1f} MB"
        raise ConfigError(f"remote.quality = 0: {size}; give a JPEG quality, such as 95")


def _done(result: object) -> None:
    """The answer was sent by the thread that made it."""
