"""The vehicle's side of the link: finds the server, keeps its clock, sends questions and hands answers to those who asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from itertools import count
from typing import Protocol

from heron_core.clock import ClockWatch, Instant
from heron_remote.body import Part, WireError, head_of, pack_head, whole_of
from heron_remote.clocks import ClockEstimate, ClockFilter
from heron_remote.envelope import NONCE_BYTES, EnvelopeError, Kind, Opened
from heron_remote.keys import KeyRing
from heron_remote.traffic import Traffic
from heron_remote.vehicle_end import VehicleEnd
from heron_vla.signature import PolicyError

TICK_S = 0.02
PING_S = 0.1


class RemoteError(PolicyError):
    """No answer: not connected, too late, refused, or nothing that can be read."""


class Gateway(Protocol):
    """What carries envelopes; `GatewayProcess`, or in a test a wire of two queues."""

    def forward(self, envelope: bytes) -> None:
        """Sends it; of some kinds only the newest waits."""

    def close(self) -> None:
        """Ends it."""


def wall() -> Instant:
    """Now, on this host's own clocks. The link never lives on recorded or simulated time: it is another host that it speaks to."""
    return Instant(time.time_ns(), time.monotonic_ns())


class _Question:
    """One that waits for its answer."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.opened: Opened | None = None


class VehicleLink:
    """Asks a server; any thread may.

    Args:
        ring: the keys.
        policy: digest of the policy that the server must have.
        traffic: hears of pings.
        connect: makes the gateway; called with what to call with each message that comes.
        now: this host's clocks.
        accept: digests of other policies that the server may have, or change to.
    """

    def __init__(
        self,
        ring: KeyRing,
        policy: str,
        traffic: Traffic,
        connect: Callable[[Callable[[bytearray], None]], Gateway],
        now: Callable[[], Instant] = wall,
        accept: Collection[str] = (),
    ) -> None:
        self._end = VehicleEnd(ring, os.urandom(NONCE_BYTES), policy, accept=accept)
        self._clock, self._now, self._traffic = ClockFilter(), now, traffic
        self._watch = ClockWatch()
        self._policy, self._accepted = policy, {policy, *accept}
        self._lock = threading.RLock()  # of the end and the clock
        self._numbers = count(1)
        self._waiting: dict[int, _Question] = {}
        self._connected, self._stopping = threading.Event(), threading.Event()
        self._pinged_ns = 0
        self.unreadable = 0
        self._gateway = connect(self._heard)
        self._thread = threading.Thread(target=self._tend, name="remote/link", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether a server with the policy has answered, ever; how long ago it was heard last, `silence_s` tells."""
        return self._connected.is_set()

    @property
    def silence_s(self) -> float:
        """Seconds since anything true was heard; infinite before."""
        heard_ns = self._end.heard_ns
        return float("inf") if heard_ns is None else (self._now().steady_ns - heard_ns) / 1e9

    @property
    def counts(self) -> dict[str, int]:
        """What came and what became of it."""
        return {**self._end.counts, "unreadable": self.unreadable}

    def trouble(self) -> str:
        """Why nobody answers, in a sentence; empty: somebody does."""
        if self._end.connected:
            return ""
        offered = self._end.offered
        if offered and offered not in self._accepted:
            remedy = "give both hosts the same policy folder, or name that digest in remote.accept"
            return f"the server has policy {offered}, this vehicle drives with {self._policy[:12]}; {remedy}"
        refused = {reason: n for reason, n in self._end.counts.items() if n and reason in ("key", "forged", "magic")}
        if refused:
            return f"what answers is not authentic ({', '.join(f'{n} {reason}' for reason, n in refused.items())}): compare both key files"
        return "no server answers: is ./heron remote serve running there, on this domain and with the same key file, and can it be reached?"

    def accepts(self, policy: str) -> bool:
        """Whether the policy of this digest may drive."""
        return policy in self._accepted

    def wait(self, seconds: float) -> None:
        """Waits for the server.

        Raises:
            RemoteError: nobody answered in time; the text says why.
        """
        if not self._connected.wait(seconds):
            raise RemoteError(f"after {seconds:g} s: {self.trouble()}")

    def number(self) -> int:
        """For the next question."""
        return next(self._numbers)

    def clock(self) -> ClockEstimate | None:
        """How the server's clock stands against ours; None: not settled."""
        with self._lock:
            return self._clock.estimate(self._now().now_ns)

    def to_server(self, ns: int) -> int | None:
        """A time of ours on the server's clock; None: not settled."""
        with self._lock:
            return self._clock.to_server(ns)

    def to_vehicle(self, ns: int) -> int | None:
        """A time of the server's on our clock; None: not settled."""
        with self._lock:
            return self._clock.to_vehicle(ns)

    def ask(self, kind: Kind, number: int, parts: list[Part], wait_s: float) -> Opened:
        """Sends a question and waits for what answers it: the one whose head names `number`.

        Args:
            kind: of the question.
            number: in the question's head.
            parts: the body.
            wait_s: afterwards nobody wants it.

        Raises:
            RemoteError: not connected, no answer in time, a refusal, or a question that no envelope holds.
        """
        if wait_s <= 0.0:
            raise RemoteError("remote: nobody would want the answer any more: not asked")
        question = self._waiting[number] = _Question()
        try:
            with self._lock:  # until it is sent, so that numbers leave in their order
                if not self._end.connected:
                    raise RemoteError(f"remote: {self.trouble()}")
                try:
                    envelope = self._end.seal(kind, self._now(), *parts)
                except ValueError as error:
                    raise RemoteError(f"remote: {error}; choose a smaller remote.quality") from error
                self._gateway.forward(envelope)
            if not question.ready.wait(wait_s):
                raise RemoteError(f"remote: no answer within {1000 * wait_s:.0f} ms")
        finally:
            del self._waiting[number]
        opened = question.opened
        assert opened is not None
        if opened.kind is Kind.REFUSAL:
            raise RemoteError(f"remote: the server refuses: {head_of(opened.body).get('text')!s:.200}")
        return opened

    def close(self) -> None:
        """Ends threads and gateway."""
        self._stopping.set()
        self._thread.join(2.0)
        self._gateway.close()

    def _tend(self) -> None:
        """HELLOs and pings."""
        while not self._stopping.wait(TICK_S):
            at = self._now()
            with self._lock:
                if self._watch.step_ns(at):
                    self._clock.distrust()
                hello = self._end.hello(at)
                ping = b""
                if self._end.connected and at.steady_ns - self._pinged_ns >= PING_S * 1e9:
                    self._pinged_ns = at.steady_ns
                    ping = self._end.seal(Kind.PING, at, *pack_head(t1=at.now_ns))
            for envelope in (hello, ping):
                if envelope:
                    self._gateway.forward(envelope)

    def _heard(self, data: bytearray) -> None:
        at = self._now()
        try:
            with self._lock:
                estimate = self._clock.estimate(at.now_ns)
                opened = self._end.accept(data, at, None if estimate is None else estimate.offset_ns)
                if self._end.connected:
                    self._connected.set()
                if opened.kind is Kind.PONG:
                    t1_ns, t2_ns, t3_ns = whole_of(head_of(opened.body), "t1", "t2", "t3")
                    self._clock.add(t1_ns, t2_ns, t3_ns, at.now_ns)
                    self._traffic.pong(at.steady_ns, at.now_ns - t1_ns - (t3_ns - t2_ns), len(data))
            if opened.kind in (Kind.ANSWER, Kind.READ, Kind.SPEECH, Kind.REFUSAL):
                self._hand_over(opened)
        except EnvelopeError:
            pass  # counted by the end
        except WireError:
            self.unreadable += 1

    def _hand_over(self, opened: Opened) -> None:
        (number,) = whole_of(head_of(opened.body), "number")  # in the head of every answer
        question = self._waiting.get(number)
        if question is not None:  # else it came too late
            question.opened = opened
            question.ready.set()
