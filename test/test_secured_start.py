"""Whoever asks for DDS security and cannot have it is told in one sentence, with exit code 2, and nothing starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from drives import ROOT

from heron_bringup import cli
from heron_bringup.secured import check_graph, check_link
from heron_core.errors import ConfigError
from heron_remote.keys import write_new_key
from heron_runtime.launch_reader import parse
from heron_runtime.supervisor import Supervisor

ENFORCED = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Supervisor, until: Any = None) -> Any:
        raise AssertionError("processes were started")

    monkeypatch.setattr(Supervisor, "run", run)


@pytest.fixture
def secured_link(tmp_path: Path) -> Path:
    """The link's parameters with keys, and with a keystore that is not there."""
    write_new_key(tmp_path / "keys")
    remote = {"keys": str(tmp_path / "keys"), "keystore": str(tmp_path / "ks")}
    path = tmp_path / "link.yaml"
    path.write_text(yaml.safe_dump({f"/{name}": {"ros__parameters": {"remote": remote}} for name in ("policy", "policy_server")}))
    return path


def said(capfd: pytest.CaptureFixture[str], *words: object) -> str:
    """What a person reads who is refused."""
    capfd.readouterr()
    assert cli.main([*map(str, words)]) == 2
    err = capfd.readouterr().err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("mode", [[], ["--lockstep"]], ids=["realtime", "lockstep"])
def test_a_drive_on_a_link_without_its_keystore(
    mode: list[str], small: Path, secured_link: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--policy", "kinematic", "--no-images", "--out", tmp_path / "out", "--remote", secured_link)
    text = said(capfd, "drive", "--bag", small, *options, *mode)
    assert f"heron drive: remote.keystore {tmp_path}/ks: {tmp_path}/ks is no keystore" in text


def test_a_server_on_a_link_without_its_keystore(secured_link: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ("--policy", ROOT / "config/policy/driveheron", "--out", tmp_path / "out")
    assert f"heron remote: remote.keystore {tmp_path}/ks: " in said(capfd, "remote", "serve", "--link", secured_link, *options)


def test_the_variables_of_ros_2_are_taken_at_their_word(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENFORCED.items():
        monkeypatch.setenv(name, value)
    drive = ("drive", "--bag", small, "--policy", "kinematic", "--no-images", "--out", tmp_path / "out")
    assert "heron drive: ROS_SECURITY_ENABLE=true without ROS_SECURITY_KEYSTORE" in said(capfd, *drive)
    monkeypatch.setenv("ROS_SECURITY_KEYSTORE", str(tmp_path))
    assert f"{tmp_path} has no enclave /heron/perception" in said(capfd, *drive)
    assert "a run on simulated time is one process that nobody hears: unset it here" in said(capfd, *drive, "--lockstep")


def test_a_profile_may_demand_it(tmp_path: Path) -> None:
    """The one that config/security/README.md shows."""
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "config" / "security" / "README.md").read_text(), re.DOTALL)
    profile = tmp_path / "profile.yaml"
    profile.write_text(shown)
    given = {"policy": "/p", "remote": "true", "profile": str(profile), "link": str(profile)}
    processes = parse(ROOT / "launch" / "heron.launch.xml", given)
    with pytest.raises(ConfigError, match=r"parameter secure of /perception demands DDS security, and ROS_SECURITY_ENABLE is not set"):
        check_graph(processes, {})
    with pytest.raises(ConfigError, match=r"remote.keystore .*/sros2/link: .* is no keystore"):
        check_link(processes)
