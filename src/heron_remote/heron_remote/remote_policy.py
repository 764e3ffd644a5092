"""A policy that thinks elsewhere: asked like any other, it answers when the server has."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_remote.body import WireError, head_of, pack_head, text
from heron_remote.envelope import Kind
from heron_remote.traffic import Traffic
from heron_remote.vehicle_link import RemoteError, VehicleLink
from heron_remote.wire import RemoteMemory, Reply, Request, pack_request, unpack_reply
from heron_vla.session import Answer, Memory
from heron_vla.speech import Speech

SPEECH_S = 2.0


class RemotePolicy:
    """Implements `heron_vla.planning.Thinker`. Several threads may ask at a time.

    Args:
        link: to the server.
        policy: digest of the policy that must answer, or one that the link accepts.
        wait_s: how long the answer on a frame set is of use, from now.
        age_ns: how old a frame set is now.
        measured: called with the name and the milliseconds of each stage of an answer.
        traffic: chooses the quality of the pictures, and hears what becomes of each request.
        reading: asks what texts mean, not for plans.

    Attributes:
        sent_bytes: of the last request, before it was sealed.
        answers_of: digest of a policy → plans that it gave.
    """

    def __init__(
        self,
        link: VehicleLink,
        policy: str,
        wait_s: Callable[[FrameSet], float],
        age_ns: Callable[[FrameSet], int],
        measured: Callable[[str, float], None],
        traffic: Traffic,
        reading: bool = False,
    ) -> None:
        self._link, self._policy, self._measured = link, policy, measured
        self._wait_s, self._age_ns = wait_s, age_ns
        self._traffic, self._reading = traffic, reading
        self._lock = threading.Lock()
        self.sent_bytes = 0
        self.answers_of: Counter[str] = Counter()

    def answer(self, request: PolicyInput) -> Answer:
        """The plan of the server, as it was computed there.

        Raises:
            RemoteError: there is none; the text says why.
        """
        begun = time.perf_counter_ns()
        wait_s = self._wait_s(request.frames)
        if wait_s <= 0.0:
            raise RemoteError("remote: the images are too old for a plan: not asked")
        now_ns = time.time_ns()
        deadline_ns = self._link.to_server(now_ns + round(wait_s * 1e9)) or 0
        asked = Request(self._link.number(), request, max(0, deadline_ns))
        quality = self._traffic.quality()
        parts = pack_request(asked, quality)
        self.sent_bytes = sum(len(part) for part in parts)
        encoded = time.perf_counter_ns()
        left_s = wait_s - (encoded - begun) / 1e9
        if not self._reading:
            sent_ns = time.monotonic_ns()
            self._traffic.sent(asked.number, quality, sent_ns, sent_ns + round(left_s * 1e9), sum(len(part) for part in parts))
        opened = self._link.ask(Kind.READ if self._reading else Kind.REQUEST, asked.number, parts, left_s)
        arrived_ns = time.time_ns()
        try:
            reply = unpack_reply(opened.body)
        except WireError as error:
            raise RemoteError(f"remote: an answer that cannot be read: {error}") from error
        if reply.policy != self._policy and not self._link.accepts(reply.policy):
            raise RemoteError(f"remote: an answer of policy {reply.policy[:12]}, this vehicle drives with {self._policy[:12]}")
        if not self._reading:
            with self._lock:
                held_ns = reply.times.sent_ns - reply.times.received_ns
                age_ns = self._age_ns(request.frames)
                self.answers_of[reply.policy] += 1
                self._traffic.answered(asked.number, time.monotonic_ns(), held_ns, age_ns, len(opened.body))
                self._measure(reply, (encoded - begun) / 1e6, now_ns + encoded - begun, arrived_ns)
        return reply.answer

    def _measure(self, reply: Reply, encode_ms: float, sent_ns: int, arrived_ns: int) -> None:
        times = reply.times
        self._measured("remote_encode", encode_ms)
        self._measured("remote_round_trip", (arrived_ns - sent_ns) / 1e6)
        self._measured("remote_server_queue", (times.start_ns - times.received_ns) / 1e6)
        self._measured("remote_server_inference", (times.end_ns - times.start_ns) / 1e6)
        self._measured("remote_wire", (arrived_ns - sent_ns - (times.sent_ns - times.received_ns)) / 1e6)
        received_ns = self._link.to_vehicle(times.received_ns)
        returned_ns = self._link.to_vehicle(times.sent_ns)
        if received_ns is not None and returned_ns is not None:  # the clocks are settled: each way of its own
            self._measured("remote_uplink", (received_ns - sent_ns) / 1e6)
            self._measured("remote_downlink", (arrived_ns - returned_ns) / 1e6)


class RemoteVoice:
    """Implements `heron_vla.planning.Voice`: the server remembers the plan and puts it into words."""

    def __init__(self, link: VehicleLink) -> None:
        self._link = link

    def say(self, memory: Memory) -> Speech:
        """Both sentences for a plan of `RemotePolicy`.

        Raises:
            RemoteError: there are none; the text says why.
        """
        assert isinstance(memory, RemoteMemory)
        number = self._link.number()
        opened = self._link.ask(Kind.SPEECH, number, pack_head(number=number, plan=memory.number), SPEECH_S)
        try:
            head = head_of(opened.body)
            return Speech(text(head.get("english")), text(head.get("japanese")), head.get("whole") is True)
        except WireError as error:
            raise RemoteError(f"remote: words that cannot be read: {error}") from error
