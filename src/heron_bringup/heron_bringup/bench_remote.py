"""A policy on another host against the same one here: two network namespaces, the real gateways and DDS, recorded pictures, real time.

The vehicle's side runs in a process of its own (`remote_probe`): every 100 ms it asks with the pictures of the generated recording, resized to the
policy's views. What the wire itself takes is measured in the same run, with a plain TCP socket that sends as many bytes and gets a short answer. For
that both hosts are joined as directly as the kernel can; lost packets and slow links are those of a relay (`relay`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from heron_bringup.config import GeneratedConfig
from heron_bringup.drive.outcome import cache_folder
from heron_bringup.generated import ensure_generated
from heron_bringup.paths import shipped_policy
from heron_bringup.relay import CableConfig
from heron_bringup.remote_pair import BEFORE_MS, key_file, probed, serving
from heron_bringup.remote_probe import Asking
from heron_bringup.remote_rollout import rolled_out
from heron_bringup.two_hosts import Host, relayed_hosts, two_hosts
from heron_vla.kinematic import ensure_kinematic

LOSSES, RATES_MBPS = (1, 5), (1000, 100)


def run() -> dict[str, Any]:
    """The `remote` keys of `bench.json`.

    `latency_ratio`: exposure to trajectory, remote less the wire over local, medians; `in_deadline_at_<n>pct`: share of the plans within the deadline
    of a plan when each packet is lost with that probability; `at_<n>_mbps`: rate and quality that a slow link holds. All with the default, whose
    quality adapts; `lossless`: the same with pixels as they are, and `wire_ratio`: bytes on the wire over those of the envelopes;
    `rollout`: see `remote_rollout`.
    """
    policy = shipped_policy() or ensure_kinematic(cache_folder() / "policies")
    recording = ensure_generated(cache_folder().parent, GeneratedConfig())
    with tempfile.TemporaryDirectory(prefix="heron-bench-") as scratch:
        folder = Path(scratch)
        asking = Asking(str(policy), str(recording), str(key_file(folder)))
        with two_hosts() as (vehicle, there), serving(there, policy, folder), _echo(there):
            figures = _beside_local(vehicle, replace(asking, echo=there.address))
        with relayed_hosts() as (vehicle, there, cable), serving(there, policy, folder):
            for percent in LOSSES:
                cable.change(CableConfig(loss=percent / 100.0))
                default, lossless = probed(vehicle, asking), probed(vehicle, replace(asking, adaptive=False))
                figures[f"in_deadline_at_{percent}pct"], figures[f"answer_ms_at_{percent}pct"] = default["in_deadline"], default["answer_ms"]
                figures["lossless"][f"in_deadline_at_{percent}pct"] = lossless["in_deadline"]
            for mbps in RATES_MBPS:
                cable.change(CableConfig(mbps=mbps))
                found = probed(vehicle, asking)
                figures[f"at_{mbps}_mbps"] = {name: found[name] for name in ("plans_hz", "in_deadline", "answer_ms", "pictures", "request_kb")}
        with two_hosts() as (vehicle, there):
            figures["rollout"] = rolled_out(vehicle, there, policy, asking, folder)
    return {"remote": figures}


def _beside_local(vehicle: Host, asking: Asking) -> dict[str, Any]:
    """Over a link without faults, against the policy here and the bare wire."""
    default = probed(vehicle, asking)
    before = vehicle.sent_bytes()
    lossless = probed(vehicle, replace(asking, adaptive=False))
    wire_ratio = (vehicle.sent_bytes() - before) / max(1, lossless["sent_bytes"] + lossless["floor_bytes"])
    return {**_against_local(default), "lossless": {**_against_local(lossless), "wire_ratio": round(wire_ratio, 3)}}


def _against_local(found: dict[str, Any]) -> dict[str, Any]:
    local, remote, wire = found["local_ms"]["p50"], found["answer_ms"]["p50"], found["floor_ms"]["p50"]
    return {
        "latency_ratio": round((BEFORE_MS + remote - wire) / (BEFORE_MS + local), 3),
        "in_deadline_at_0pct": found["in_deadline"],
        "local_ms": found["local_ms"],
        "answer_ms": found["answer_ms"],
        "wire_floor_ms": found["floor_ms"],
        "pictures": found["pictures"],
        "request_kb": found["request_kb"],
    }


@contextmanager
def _echo(host: Host) -> Iterator[None]:
    """What the bare wire is measured against, on the other host."""
    process = subprocess.Popen([*host.through, sys.executable, "-m", "heron_bringup.remote_probe", "--echo"], stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
