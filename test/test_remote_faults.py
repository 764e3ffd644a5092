"""Cuts of the link and deaths of the server while the car drives in a town: no frame breaks a limit, and it goes on, or stands in order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from drives import ROOT, Running, heron, report_of, until
from remote_drives import check_frames, collisions_of_faults, hosts, link_file, plans_of, remote_drive, rungs, serving

from heron_bringup.two_hosts import Host
from heron_core.signals import Ladder

SECONDS = 60
KILLS = 20
CUT = {"delay_ms": 10.0, "cut_every_s": 6.0, "cut_min_s": 0.1, "cut_max_s": 5.0}


Whole = Callable[[int], dict[str, Any]]


def town(seed: int, scenario: object = "town") -> tuple[object, ...]:
    return ("--scenario", scenario, "--seconds", SECONDS, "--size", "160x100", "--seed", seed, "--policy", "config/policy/driveheron")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Report of the drive of a seed with the policy on board: what the one over an ideal link is to the bit. Driven once, if asked for."""

    @cache
    def drive(seed: int) -> dict[str, Any]:
        out = tmp_path_factory.mktemp("whole") / str(seed)
        ended = heron("drive", *town(seed), "--out", out, timeout_s=1500.0)
        assert ended.code in (0, 1), ended.text  # 1: judged, for something that the policy did
        return report_of(out)

    return drive


def compare(out: Path, seed: int, whole: Whole) -> dict[str, Any]:
    """What must be true of every drive with faults."""
    report = report_of(out)
    check_frames(out)
    hit = collisions_of_faults(out)  # the policy that ships touches somebody about once in a kilometre, with a link or without: that is the driver's
    assert not hit or len(hit) <= whole(seed)["driving"]["at_fault_collisions"], f"{out}: {hit}"
    assert report["driving"]["distance_m"] > 20.0, f"{out}: it goes on afterwards"
    print(out.name, {name: report["driving"][name] for name in ("distance_m", "at_fault_collisions")}, report["remote"], flush=True)
    return report


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_hundred_cuts_break_no_limit_and_end_in_order(tmp_path: Path, whole: Whole) -> None:
    """Without a policy on board: the ladder stops the car, and it goes on when the link is back."""
    cuts, seed = 0, 0
    with hosts() as (vehicle, there), serving(there, link_file(tmp_path), tmp_path / "server"):
        while cuts < 100:
            out = tmp_path / f"cut{seed}"
            link = link_file(tmp_path, "cut", simulated={**CUT, "seed": seed})
            ended = remote_drive(vehicle, link, out, *town(seed), timeout_s=1500.0)
            assert ended.code in (0, 1), ended.text
            cuts += compare(out, seed, whole)["remote"]["simulated"]["cuts"]
            seed += 1


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_with_a_policy_on_board_fifty_cuts_stop_no_plan(tmp_path: Path) -> None:
    """In a town without others: whom a car meets depends on when it comes, and the policy that ships does not stop for everybody who stands."""
    cuts, seed = 0, 0
    quiet = tmp_path / "quiet.yaml"
    quiet.write_text("title: a town without others\ntraffic: {cars: 0, trucks: 0, bicycles: 0, pedestrians: 0}\nroute: {start_speed_mps: 7}\n")
    fallback = {"fallback": {"policy": str(ROOT / "config/policy/driveheron")}}
    with hosts() as (vehicle, there), serving(there, link_file(tmp_path), tmp_path / "server"):
        while cuts < 50:
            out = tmp_path / f"cut{seed}"
            link = link_file(tmp_path, "cut", simulated={**CUT, "seed": seed}, **fallback)
            ended = remote_drive(vehicle, link, out, *town(seed, quiet), timeout_s=1500.0)
            assert ended.code in (0, 1), ended.text
            check_frames(out)
            report = report_of(out)
            print(out.name, report["driving"], report["remote"]["fallback"], flush=True)
            longest_s = max(later.stamp_ns - plan.stamp_ns for plan, later in pairwise(plans_of(out))) / 1e9
            assert longest_s < 0.7, "plans never stop"
            assert rungs(out) <= {Ladder.OK, Ladder.WARN}, "nor does the car"
            assert not any(report["plans_rejected"].values()), "who takes over goes on where the other was: no jump, no plan twice"
            cuts += report["remote"]["simulated"]["cuts"]
            seed += 1


class Mortal:
    """A server that is killed again and again, `deaths` times, and started anew."""

    def __init__(self, host: Host, link: Path, out: Path, deaths: int) -> None:
        self._host, self._link, self._out, self._deaths = host, link, out, deaths
        self._chance = random.Random(7)
        self._stopping = threading.Event()
        self._up = threading.Event()
        self.kills = 0
        self._thread = threading.Thread(target=self._live)

    def __enter__(self) -> Mortal:
        self._thread.start()
        assert self._up.wait(60.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(60.0)

    def _live(self) -> None:
        life = 0
        while not self._stopping.is_set():
            life += 1
            out = self._out / str(life)
            self._out.mkdir(exist_ok=True)
            server = Running("remote", "serve", "--link", self._link, "--out", out, log=out.with_suffix(".txt"), through=self._host.through)
            try:
                until(lambda server=server: "all 1 components are up" in server.text(), 60, "the server")
                self._up.set()
                lives_s = self._chance.uniform(2.0, 8.0) if self.kills < self._deaths else None
                if not self._stopping.wait(lives_s):
                    self.kills += 1
                    os.killpg(server.process.pid, signal.SIGKILL)
            finally:
                server.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_twenty_deaths_of_the_server_break_no_limit_and_end_in_order(tmp_path: Path, whole: Whole) -> None:
    kills, seed, lost = 0, 0, 0
    link = link_file(tmp_path, "mortal", answer_s=0.5)  # time stands still while the vehicle waits: what is not here then is lost
    with hosts() as (vehicle, there):
        while kills < KILLS:
            out = tmp_path / f"killed{seed}"
            with Mortal(there, link, tmp_path / f"server{seed}", KILLS - kills) as server:
                ended = remote_drive(vehicle, link, out, *town(seed), timeout_s=1500.0)
                assert ended.code in (0, 1), ended.text
            kills += server.kills
            lost += compare(out, seed, whole)["remote"]["lost"]
            seed += 1
    assert lost > KILLS, "each death costs answers"
    assert not subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True).stdout
