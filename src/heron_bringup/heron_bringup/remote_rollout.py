"""A server goes over to its next policy while a vehicle asks in real time: is a plan missed? Part of `bench remote`."""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from heron_bringup.remote_pair import PairError, probed, serving
from heron_bringup.remote_probe import Asking
from heron_bringup.two_hosts import Host
from heron_remote.place import put_in_place
from heron_vla.contract import FILE
from heron_vla.folder import load_policy

SECONDS = 30.0
BEFORE_S, APART_S = 10.0, 6.0  # from the vehicle's start to the first of two policies that come, and from there to the second
WAIT_S = 15.0


def rolled_out(vehicle: Host, there: Host, policy: Path, asking: Asking, scratch: Path) -> dict[str, Any]:
    """First a policy whose graph is cut short comes, which must be refused, then a good one, which answers from then on.

    Args:
        vehicle: the host that asks.
        there: the host that serves.
        policy: that answers before.
        asking: what the vehicle asks with.
        scratch: a folder that has the keys.

    Returns:
        Share of the plans `in_deadline`, `answer_ms`, how many the policies `before` and `after` gave, and how many were `refused` and `switched` to.

    Raises:
        PairError: one of the two policies was not judged in time, or another one answered.
    """
    served, cut, next_one = (scratch / name for name in ("served", "cut", "next"))
    for folder in (served, cut, next_one):
        shutil.copytree(policy, folder)
    about = (policy / FILE).read_text(encoding="utf-8")
    for folder in (cut, next_one):
        (folder / FILE).write_text(about.replace("name: ", "name: next_", 1), encoding="utf-8")
    graph = load_policy(cut).graph_path
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])
    first, second = load_policy(served).digest, load_policy(next_one).digest
    asking = replace(asking, seconds=SECONDS, accept=(second,))
    with serving(there, served, scratch, "--follow") as log, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(probed, vehicle, asking)
        time.sleep(BEFORE_S)
        put_in_place(cut, served)
        _until_said(log, "drives on")
        time.sleep(APART_S)
        put_in_place(next_one, served)
        _until_said(log, "answers now")
        found = asked.result()
    judged = json.loads((scratch / "server" / "report.json").read_text(encoding="utf-8"))["next_policies"]
    answers = found["answers_of"]
    if set(answers) != {first, second}:
        raise PairError(f"answers of {sorted(answers)}, expected of {first[:12]} and then of {second[:12]}")
    return {
        "in_deadline": found["in_deadline"],
        "answer_ms": found["answer_ms"],
        "answers": {"before": answers[first], "after": answers[second]},
        "next_policies": judged,
    }


def _until_said(log: Path, text: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while text not in log.read_text(encoding="utf-8"):
        if time.monotonic() > deadline:
            raise PairError(f"the server did not say {text!r} within {WAIT_S:.0f} s: {log.read_text(encoding='utf-8')[-500:]}")
        time.sleep(0.1)
