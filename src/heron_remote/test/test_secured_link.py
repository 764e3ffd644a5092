"""A link that is to be secured is, or its gateway does not start; what the car and the server say then."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from heron_core.errors import ConfigError
from heron_remote.config import LinkConfig
from heron_remote.gateway.environment import ENCLAVES, gateway_environment
from heron_remote.gateway.process import GatewayProcess
from heron_runtime import security

DOMAIN = 77


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    """Of the shape that sros2 makes; no middleware would take it."""
    for enclave in ENCLAVES.values():
        folder = tmp_path / "ks" / "enclaves" / enclave[1:]
        folder.mkdir(parents=True)
        for name in ("identity_ca.cert.pem", "cert.pem", "key.pem", "permissions_ca.cert.pem", "governance.p7s", "permissions.p7s"):
            (folder / name).write_text(f"<id>{DOMAIN}</id>")
            (folder / name).chmod(0o600)
    return tmp_path / "ks"


@pytest.mark.parametrize("side", ENCLAVES)
def test_a_keystore_of_the_link_is_enforced(side: str, keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a middleware that can, whatever the environment says of the car's own graph."""
    monkeypatch.setattr(security, "PROBE", [sys.executable, "-c", "import os; assert os.environ['ROS_SECURITY_STRATEGY'] == 'Enforce'"])
    for own in ("", "false", "true"):
        monkeypatch.setenv("ROS_SECURITY_ENABLE", own)
        monkeypatch.setenv("ROS_SECURITY_ENCLAVE_OVERRIDE", "/heron/perception")
        given = gateway_environment(side, DOMAIN, None, LinkConfig(keystore=str(keystore)).keystore_path)
        assert {name: given[name] for name in given if name.startswith("ROS_SECURITY")} == {
            "ROS_SECURITY_ENABLE": "true",
            "ROS_SECURITY_STRATEGY": "Enforce",
            "ROS_SECURITY_KEYSTORE": str(keystore),
            "ROS_SECURITY_ENCLAVE_OVERRIDE": f"/heron/link/{side}",
        }
        assert given["ROS_DOMAIN_ID"] == str(DOMAIN)


def test_without_a_keystore_the_environment_decides(keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "PROBE", [sys.executable, "-c", ""])
    assert LinkConfig().keystore_path is None
    assert not any(name.startswith("ROS_SECURITY") for name in gateway_environment("vehicle", DOMAIN, None, None))
    for name, value in (("ENABLE", "true"), ("STRATEGY", "Enforce"), ("KEYSTORE", str(keystore))):
        monkeypatch.setenv(f"ROS_SECURITY_{name}", value)
    assert gateway_environment("server", DOMAIN, None, None)["ROS_SECURITY_ENCLAVE_OVERRIDE"] == "/heron/link/server"
    with pytest.raises(ConfigError, match=r"governance.p7s is for DDS domain 77, and the process is to run on 78"):
        gateway_environment("server", 78, None, None)
    monkeypatch.setenv("ROS_SECURITY_STRATEGY", "Permissive")
    with pytest.raises(ConfigError, match=r"ROS_SECURITY_STRATEGY is Permissive, with which ROS 2 starts open"):
        gateway_environment("server", DOMAIN, None, None)


def test_no_gateway_starts_where_the_middleware_cannot(keystore: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The middleware that is installed: wheels have no DDS security, and what has it does not take this keystore."""
    started = tmp_path / "started"
    monkeypatch.setattr("heron_remote.gateway.process.COMMAND", [sys.executable, "-c", f"open({str(started)!r}, 'w')"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with pytest.raises(ConfigError) as caught:
        GatewayProcess("vehicle", DOMAIN, None, lambda data: None, keystore)
    assert str(caught.value).startswith(f"remote.keystore {keystore}: the middleware here cannot keep it, ")
    assert str(caught.value).endswith("to run open on purpose, take remote.keystore out of the link's parameters")
    assert not started.exists()
