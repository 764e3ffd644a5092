"""The vehicle's side of `bench remote` and `remote matrix`, and the plain socket that it is measured against; each a process in a namespace."""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from heron_bag.native import camera_frames
from heron_bag.reader import open_bag
from heron_bringup.bench_model import sample_request
from heron_bringup.paths import config_folder
from heron_core.frames import FrameSet
from heron_core.policy import PolicyInput
from heron_remote.gateway.process import GatewayProcess
from heron_remote.keys import load_keys
from heron_remote.remote_policy import RemotePolicy
from heron_remote.traffic import Traffic
from heron_remote.vehicle_link import RemoteError, VehicleLink
from heron_vla.config import PolicyConfig
from heron_vla.folder import PolicyFolder, load_policy
from heron_vla.session import OnnxPolicy

PERIOD_S = 0.1
SECONDS = 20.0
IN_FLIGHT = 6
PORT = 7700
ANSWER_BYTES = 1000
PICTURES = 10
DOMAIN = 79


@dataclass(frozen=True)
class Asking:
    """What a probe is told.

    Attributes:
        policy: folder.
        recording: whose pictures are asked with.
        keys: key file.
        echo: address of the host whose `--echo` is asked, and the policy here is, between the requests; empty: nothing comes between them.
        quality: of the pictures' JPEG; 0: lossless.
        adaptive: it follows the link.
        seconds: how long.
        accept: digests of policies that may answer beside that of the folder.
    """

    policy: str
    recording: str
    keys: str
    echo: str = ""
    quality: int = 0
    adaptive: bool = True
    seconds: float = SECONDS
    accept: tuple[str, ...] = ()

    @property
    def words(self) -> list[str]:
        """The command that runs the probe."""
        return [sys.executable, "-m", "heron_bringup.remote_probe", "--probe", json.dumps(asdict(self))]


class Fate(NamedTuple):
    """What became of a request whose answer came in time: milliseconds until it was there, and of those what the policy at the server thought."""

    answer_ms: float
    thought_ms: float


class _Thinking(threading.local):
    """How long the server thought about the last answer that this thread got."""

    ms = 0.0

    def measured(self, name: str, ms: float) -> None:
        """A stage of an answer."""
        if name == "remote_server_inference":
            self.ms = ms


def probe(asking: Asking) -> dict[str, Any]:
    """The vehicle's side: asks in real time, and measures the policy here and the bare wire between the requests."""
    folder = load_policy(Path(asking.policy))
    requests = _requests(folder, Path(asking.recording))
    here = OnnxPolicy(folder)
    deadline_ns = PolicyConfig.deadline_ms * 1_000_000
    traffic, thinking = Traffic(asking.quality, asking.adaptive), _Thinking()
    gateways: list[GatewayProcess] = []

    def connect(heard: Any) -> GatewayProcess:
        gateways.append(GatewayProcess("vehicle", DOMAIN, config_folder() / "dds" / "remote.xml", heard))
        return gateways[0]

    link = VehicleLink(load_keys(Path(asking.keys)), folder.digest, traffic, connect, accept=asking.accept)
    try:
        link.wait(30.0)
        time.sleep(1.0)
        there = RemotePolicy(
            link,
            folder.digest,
            lambda frames: (frames.stamp_ns + deadline_ns - time.time_ns()) / 1e9,
            lambda frames: time.time_ns() - frames.stamp_ns,
            thinking.measured,
            traffic,
        )
        fates, local, floor, floor_bytes = _asked(there, here, requests, asking, thinking)
        sizes = there.sent_bytes
        report = traffic.report(time.monotonic_ns())
    finally:
        link.close()
    answered = [fate.answer_ms for fate in fates if fate is not None]
    fixed = "lossless" if asking.quality == 0 else f"jpeg_{asking.quality}"
    return {
        "in_deadline": round(len(answered) / len(fates), 4),
        "plans_hz": round(len(answered) / asking.seconds, 2),
        "answer_ms": _spread(answered),
        "local_ms": _spread(local),
        "floor_ms": _spread(floor),
        "floor_bytes": floor_bytes,
        "sent_bytes": gateways[0].sent_bytes,
        "request_kb": round(sizes / 1e3, 1),
        "displaced": gateways[0].displaced,
        "answers_of": dict(there.answers_of),
        "pictures": report.get("pictures", {}).get("encoding", fixed),
        "link_ms": [None if fate is None else round(max(0.0, fate.answer_ms - fate.thought_ms), 2) for fate in fates],
    }


def _asked(
    there: RemotePolicy, here: OnnxPolicy, requests: Sequence[PolicyInput], asking: Asking, thinking: _Thinking
) -> tuple[list[Fate | None], list[float], list[float], int]:
    local: list[float] = []
    floor: list[float] = []
    floor_bytes = 0
    with ThreadPoolExecutor(IN_FLIGHT) as pool:

        def ask(request: PolicyInput, begin: float) -> Fate | None:
            try:
                there.answer(request)
            except RemoteError:
                return None
            return Fate(1e3 * (time.perf_counter() - begin), thinking.ms)

        begun, waiting = time.monotonic(), []
        for turn in range(round(asking.seconds / PERIOD_S)):
            request = _now(requests[turn % len(requests)])
            waiting.append(pool.submit(ask, request, time.perf_counter()))
            if asking.echo and turn % 5 == 4:  # between two requests, when the other side rests
                waiting[-1].result()
                begin = time.perf_counter()
                here.answer(request)
                local.append(1e3 * (time.perf_counter() - begin))
                length = there.sent_bytes
                floor.append(_wire_ms(asking.echo, length))
                floor_bytes += length
            time.sleep(max(0.0, begun + (turn + 1) * PERIOD_S - time.monotonic()))
        return [each.result() for each in waiting], local, floor, floor_bytes


def _wire_ms(address: str, length: int) -> float:
    """Milliseconds for `length` bytes there and a short answer back, over a plain TCP socket that is open already."""
    with socket.create_connection((address, PORT), timeout=10) as pipe:
        pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = length.to_bytes(4, "little") + bytes(length)
        begin = time.perf_counter()
        pipe.sendall(data)
        left = ANSWER_BYTES
        while left:
            left -= len(pipe.recv(left))
        return 1e3 * (time.perf_counter() - begin)


def serve_echo() -> None:
    """Answers each message of any length with a short one, until it is ended."""
    with socket.create_server(("0.0.0.0", PORT)) as server:
        while True:
            pipe, _ = server.accept()
            threading.Thread(target=_answer, args=(pipe,), daemon=True).start()


def _answer(pipe: socket.socket) -> None:
    with pipe:
        pipe.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        left = int.from_bytes(pipe.recv(4, socket.MSG_WAITALL), "little")
        while left > 0 and (got := len(pipe.recv(min(left, 65536)))):
            left -= got
        pipe.sendall(bytes(ANSWER_BYTES))


def _requests(folder: PolicyFolder, recording: Path) -> list[PolicyInput]:
    """Requests with pictures of the recording, resized to the policy's views."""
    pictures: dict[str, list[NDArray[np.uint8]]] = {}
    with open_bag(recording) as bag:
        for _, frame in camera_frames(bag):
            seen = pictures.setdefault(frame.camera, [])
            if len(seen) < PICTURES:
                seen.append(cv2.imdecode(frame.data, cv2.IMREAD_REDUCED_COLOR_2))
            if len(pictures) >= 7 and all(len(each) == PICTURES for each in pictures.values()):
                break
    blank = sample_request(folder)
    made = []
    for turn in range(PICTURES):
        images = {name: np.zeros(shape, np.uint8) for name, shape in folder.image_shapes.items()}
        filled = dict.fromkeys(images, 0)
        for view in folder.views:
            image = images[view.input]
            small = cv2.resize(pictures[view.camera][turn], (image.shape[3], image.shape[2]), interpolation=cv2.INTER_AREA)
            image[filled[view.input]] = small[..., ::-1].transpose(2, 0, 1)
            filled[view.input] += 1
        for image in images.values():
            image.flags.writeable = False
        frames = replace(blank.frames, images=images, addresses={})
        made.append(replace(blank, frames=frames, text="", past=(_past(frames, folder),) * len(blank.past)))
    return made


def _past(frames: FrameSet, folder: PolicyFolder) -> FrameSet:
    wanted = folder.spec.history.inputs
    return replace(frames, images={name: frames.images[name] for name in wanted})


def _now(request: PolicyInput) -> PolicyInput:
    return replace(request, frames=replace(request.frames, stamp_ns=time.time_ns()))


def _spread(values: Sequence[float]) -> dict[str, float]:
    return (
        {f"p{share}": round(float(np.percentile(values, share)), 2) for share in (50, 99)} if values else {"p50": float("nan"), "p99": float("nan")}
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--echo", action="store_true")
    parser.add_argument("--probe", type=json.loads)
    chosen = parser.parse_args()
    if chosen.echo:
        serve_echo()
    print(json.dumps(probe(Asking(**chosen.probe))))
