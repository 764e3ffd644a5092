"""What the server does with each message, and what it sends back. Threads and the middleware are its owner's business."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from heron_core.clock import Instant
from heron_remote.body import Part, WireError, head_of, pack_head, whole_of
from heron_remote.envelope import EnvelopeError, Kind, Opened
from heron_remote.server_end import ServerEnd
from heron_remote.serving import Serving
from heron_remote.wire import Reply, Times, open_request, pack_reply
from heron_vla.folder import PolicyFolder
from heron_vla.planning import Mind, Thinker, Voice
from heron_vla.session import Answer, Memory
from heron_vla.signature import PolicyError

MEMORIES = 16
"""Plans of one vehicle that may still be put into words."""


class Job(NamedTuple):
    """A message that somebody must think about, as it came."""

    opened: Opened
    received_ns: int


class PolicyServer:
    """Answers what vehicles ask.

    `hear` belongs to one thread and does at once what takes no time; `plan`, `read` and `say` think, each in a thread of its own.

    Args:
        end: who may ask.
        folder: the policy that thinks, first.
        thinker, reader, voice: as of a planning component.
        send: takes an envelope.
        now: this host's clocks.

    Attributes:
        counts: requests by what became of them.
    """

    def __init__(
        self,
        end: ServerEnd,
        folder: PolicyFolder,
        thinker: Thinker,
        reader: Thinker | None,
        voice: Voice | None,
        send: Callable[[bytes], None],
        now: Callable[[], Instant],
    ) -> None:
        self._end, self._send, self._now = end, send, now
        self._serving = Serving(folder, Mind(thinker, reader, voice))
        self._lock = threading.Lock()  # of the end and the memories; held while sending, so that numbers leave in their order
        self._memories: dict[bytes, OrderedDict[int, tuple[Voice | None, Memory]]] = {}
        self.counts: Counter[str] = Counter()

    @property
    def serving(self) -> Serving:
        """The policy that answers the next request."""
        return self._serving

    def switch(self, new: Serving) -> None:
        """Another policy from the next request on; what is being thought about is finished by the one that began it. Any thread may.

        A plan of the old one is put into words by the old one.
        """
        with self._lock:
            self._end.offer(new.folder.digest)
            self._serving = new

    def hear(self, data: bytearray) -> Job | None:
        """Takes a message from the network; what is left to think about."""
        at = self._now()
        try:
            with self._lock:
                opened = self._end.accept(data, at)
                if opened.kind is Kind.HELLO:
                    self._send(self._end.welcome(opened, at))
                    return None
            if opened.kind is Kind.PING:
                (t1_ns,) = whole_of(head_of(opened.body), "t1")
                self._reply(Kind.PONG, opened, pack_head(t1=t1_ns, t2=at.now_ns, t3=self._now().now_ns))
                return None
            return Job(opened, at.now_ns)
        except EnvelopeError:
            return None  # counted by the end
        except WireError:
            self.counts["unreadable"] += 1
            return None

    def plan(self, job: Job) -> Answer | None:
        """Thinks about a request and answers it; None: it was not to be answered, or refused."""
        serving = self._serving
        return self._think(job, serving, serving.mind.thinker, remember=True)

    def read(self, job: Job) -> Answer | None:
        """Thinks about what a text means, beside the plans."""
        serving = self._serving
        return self._think(job, serving, serving.mind.reader or serving.mind.thinker, remember=False)

    def say(self, job: Job) -> None:
        """Puts a plan into words."""
        try:
            number, plan = whole_of(head_of(job.opened.body), "number", "plan")
        except WireError:
            self.counts["unreadable"] += 1
            return
        with self._lock:
            voice, memory = self._memories.get(job.opened.sender, OrderedDict()).get(plan, (None, None))
        try:
            if memory is None or voice is None:
                raise PolicyError(f"plan {plan} is not remembered")
            speech = voice.say(memory)
        except PolicyError as error:
            self._refuse(job.opened, number, str(error))
            return
        self.counts["explained"] += 1
        self._reply(Kind.SPEECH, job.opened, pack_head(number=number, english=speech.english, japanese=speech.japanese, whole=speech.whole))

    def _think(self, job: Job, serving: Serving, thinker: Thinker, remember: bool) -> Answer | None:
        folder = serving.folder
        start_ns = self._now().now_ns
        try:
            request = open_request(job.opened.body)
        except WireError:
            self.counts["unreadable"] += 1
            return None  # nobody can be told
        if request.deadline_ns and start_ns > request.deadline_ns:
            self.counts["too_late"] += 1
            return None
        try:
            answer = thinker.answer(request.input(folder.image_shapes, folder.spec.history.steps - 1))
        except (WireError, PolicyError) as error:
            if isinstance(error, WireError):
                self.counts["unreadable"] += 1
            self._refuse(job.opened, request.number, str(error))
            return None
        end_ns = self._now().now_ns
        if remember and answer.memory is not None:
            self._remember(job.opened.sender, request.number, serving.mind.voice, answer.memory)
        self.counts["answered"] += 1
        times = Times(job.received_ns, start_ns, end_ns, self._now().now_ns)
        kind = Kind.READ if job.opened.kind is Kind.READ else Kind.ANSWER
        self._reply(kind, job.opened, pack_reply(Reply(request.number, folder.digest, answer, times)))
        return answer

    def _remember(self, vehicle: bytes, number: int, voice: Voice | None, memory: Memory) -> None:
        with self._lock:
            for gone in self._memories.keys() - {*self._end.vehicles, vehicle}:
                del self._memories[gone]
            plans = self._memories.setdefault(vehicle, OrderedDict())
            plans[number] = voice, memory
            while len(plans) > MEMORIES:
                plans.popitem(last=False)

    def _refuse(self, opened: Opened, number: int, text: str) -> None:
        self.counts["refused"] += 1
        self._reply(Kind.REFUSAL, opened, pack_head(number=number, text=text))

    def _reply(self, kind: Kind, asked: Opened, parts: list[Part]) -> None:
        try:
            with self._lock:
                self._send(self._end.seal(kind, asked.sender, self._now(), *parts))
        except KeyError:
            self.counts["forgotten"] += 1  # the vehicle had to make room meanwhile
