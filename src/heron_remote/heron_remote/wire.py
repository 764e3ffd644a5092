"""What requests and answers are as bytes: a body with a head in JSON (`body`), then arrays as they lie in memory, or pictures (`pictures`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from heron_core.policy import PolicyInput
from heron_remote.body import MAX_WHOLE, Part, Pieces, WireError, array_of, bytes_of, checked, make_body, open_body, text, whole, whole_of
from heron_remote.pictures import LOSSLESS, pack_frames, unpack_frames
from heron_vla.language import Thoughts
from heron_vla.session import Answer, Memory
from heron_vla.signature import Shape


@dataclass(frozen=True)
class Request:
    """What the server is asked.

    Attributes:
        number: by which the answer names it.
        input: as the policy takes it.
        deadline_ns: on the server's clock, after which nobody wants the answer; 0: the server's clock is not known yet.
    """

    number: int
    input: PolicyInput
    deadline_ns: int = 0


class Times(NamedTuple):
    """When the server did what, on its own clock, in nanoseconds."""

    received_ns: int
    start_ns: int
    end_ns: int
    sent_ns: int


@dataclass(frozen=True)
class Reply:
    """What the server answers.

    Attributes:
        number: of the request.
        policy: digest of the policy that answered.
        answer: of the policy; its memory stays there.
        times: on the server's clock.
    """

    number: int
    policy: str
    answer: Answer
    times: Times


@dataclass(frozen=True)
class RemoteMemory(Memory):
    """Names the memory that the server keeps of a plan; the arrays stay there."""

    number: int = 0


class Unread:
    """A request of which the head was read: who is too late is known before a picture has cost time.

    Attributes:
        number, deadline_ns: of the `Request`.
    """

    def __init__(self, head: Mapping[str, Any], pieces: Pieces) -> None:
        self.number, self.deadline_ns = whole_of(head, "number", "deadline_ns")
        self._head, self._pieces = head, pieces

    def input(self, shapes: Mapping[str, Shape], past: int) -> PolicyInput:
        """What the policy is asked; once.

        Args:
            shapes: graph input → (views, 3, height, width), as the server's policy has them; no others are taken.
            past: so many older frame sets at most.

        Raises:
            WireError: not a request for such a policy.
        """
        head, pieces = self._head, self._pieces
        with checked():
            steps, columns = (whole(n, 1, 1000) for n in head["ego"])
            ego = array_of(next(pieces), np.float32, (steps, columns))
            quality = whole(head["quality"], LOSSLESS, 100)
            if len(head["past"]) > past:
                raise WireError(f"{len(head['past'])} older frame sets, the policy wants {past}")
            frames, *older = (unpack_frames(each, quality, shapes, pieces) for each in (head["frames"], *head["past"]))
            pieces.end()
            return PolicyInput(frames, ego, whole(head["command"], 0, 1000), text(head["text"]), tuple(older))


def pack_request(request: Request, quality: int = LOSSLESS) -> list[Part]:
    """The body of a REQUEST in pieces; lossless pixels are not copied.

    Args:
        request: what is asked.
        quality: of the pictures' JPEG, 1 .. 100, or `LOSSLESS`.
    """
    asked = request.input
    pieces: list[Part] = [bytes_of(asked.ego_history.astype(np.float32, copy=False))]
    head = {
        "number": request.number,
        "deadline_ns": request.deadline_ns,
        "command": asked.command,
        "text": asked.text,
        "ego": list(asked.ego_history.shape),
        "quality": quality,
        "frames": pack_frames(asked.frames, quality, pieces),
        "past": [pack_frames(frames, quality, pieces) for frames in asked.past],
    }
    return make_body(head, pieces)


def open_request(body: memoryview) -> Unread:
    """The request in a body, of which only the head is read.

    Raises:
        WireError: not such a body.
    """
    return Unread(*open_body(body))


def pack_reply(reply: Reply) -> list[Part]:
    """The body of an ANSWER in pieces."""
    answer = reply.answer
    thoughts = answer.thoughts
    head = {
        "number": reply.number,
        "policy": reply.policy,
        "times": list(reply.times),
        "points": list(answer.points.shape),
        "words": None if thoughts is None else dict(thoughts.words),
        "certainty": None if thoughts is None else dict(thoughts.certainty),
    }
    return make_body(head, [bytes_of(answer.points.astype(np.float32, copy=False))])


def unpack_reply(body: memoryview) -> Reply:
    """The answer in a body; its memory is one that the server keeps.

    Raises:
        WireError: not such a body, or a plan that is not finite.
    """
    head, pieces = open_body(body)
    with checked():
        (number,) = whole_of(head, "number")
        count, columns = (whole(n, 1, 1000) for n in head["points"])
        points = array_of(next(pieces), np.float32, (count, columns))
        pieces.end()
        if not np.isfinite(points).all():
            raise WireError("a plan that is not finite")
        thoughts = _thoughts(head)
        times = Times(*(whole(each, 0, MAX_WHOLE) for each in head["times"]))
        return Reply(number, text(head["policy"]), Answer(points, thoughts, None if thoughts is None else _memory(number)), times)


def _thoughts(head: Mapping[str, Any]) -> Thoughts | None:
    if head["words"] is None:
        return None
    words = {text(slot): text(word) for slot, word in head["words"].items()}
    certainty = {text(slot): float(share) for slot, share in head["certainty"].items()}
    if words.keys() != certainty.keys() or not all(math.isfinite(share) for share in certainty.values()):
        raise WireError("a certainty that is missing or not finite")
    return Thoughts(words, certainty)


def _memory(number: int) -> RemoteMemory:
    return RemoteMemory(np.empty(0, np.float32), np.empty(0, np.bool_), np.empty(0, np.int64), number)
