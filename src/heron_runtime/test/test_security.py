"""DDS security that was asked for is there, or nothing starts: the variables, the keystore, the middleware."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from heron_core.errors import ConfigError
from heron_runtime import security
from heron_runtime.launch_reader import Process
from heron_runtime.security import Demand, check_enclave, demanded, enclave_of, refuse_open, secured, try_middleware

ENFORCED = {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce", "ROS_SECURITY_KEYSTORE": "/ks"}
CAR, BOX = "/heron/car", "/heron/box"
OF_CAR = "enclaves/heron/car"
SIGNED = """Content-Type: text/plain

<dds><validity><not_after>2036-11-20T00:50:34</not_after></validity><domains><id>7</id></domains></dds>"""


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    """Of the shape that sros2 makes, for two enclaves on domain 7; no middleware would take it."""
    for enclave in (CAR, BOX):
        folder = tmp_path / "ks" / "enclaves" / enclave[1:]
        folder.mkdir(parents=True)
        for name in ("identity_ca.cert.pem", "cert.pem", "key.pem", "permissions_ca.cert.pem", "governance.p7s", "permissions.p7s"):
            (folder / name).write_text(SIGNED)
            (folder / name).chmod(0o600)
    (tmp_path / "ks" / "private").mkdir()
    (tmp_path / "ks" / "private" / "ca.key.pem").touch(0o600)
    return tmp_path / "ks"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ROS_SECURITY_STRATEGY": "Permissive"}, "ROS_SECURITY_STRATEGY is Permissive, with which ROS 2 starts open"),
        ({"ROS_SECURITY_STRATEGY": "enforce"}, "ROS_SECURITY_STRATEGY is enforce"),
        ({"ROS_SECURITY_STRATEGY": ""}, "ROS_SECURITY_STRATEGY is not set"),
        ({"ROS_SECURITY_KEYSTORE": ""}, "ROS_SECURITY_ENABLE=true without ROS_SECURITY_KEYSTORE"),
        ({"ROS_SECURITY_ENABLE": "1"}, "ROS_SECURITY_ENABLE=1 secures nothing, ROS 2 knows only `true`"),
        ({"ROS_SECURITY_ENABLE": "True"}, "ROS_SECURITY_ENABLE=True secures nothing"),
        ({"ROS_SECURITY_ENABLE": ""}, "ROS_SECURITY_STRATEGY=Enforce secures nothing without ROS_SECURITY_ENABLE=true"),
    ],
)
def test_what_is_half_set_is_refused(changed: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        demanded({**ENFORCED, **changed})
    assert says in str(caught.value) and "to run open on purpose" in str(caught.value)


def test_what_is_set_is_taken_at_its_word() -> None:
    assert demanded(ENFORCED) == Demand(Path("/ks"), "ROS_SECURITY_ENABLE=true")
    assert demanded({}) is demanded({**ENFORCED, "ROS_SECURITY_ENABLE": "false"}) is demanded({"ROS_SECURITY_KEYSTORE": "/ks"}) is None
    for environment in ({}, {**ENFORCED, "ROS_SECURITY_ENABLE": "false"}):
        with pytest.raises(ConfigError, match=r"parameter secure of /box demands DDS security, and ROS_SECURITY_ENABLE is (not set|false)"):
            demanded(environment, "parameter secure of /box")


def test_the_enclave_is_the_one_that_ros_2_looks_for() -> None:
    """Asked of rcl itself, which names the folder that it misses."""
    named, overridden = ["--ros-args", "--enclave", "/a/b"], {"ROS_SECURITY_ENCLAVE_OVERRIDE": "/d"}
    cases: list[tuple[list[str], dict[str, str]]] = [([], {}), (named, {}), (["--ros-args", "-e", "/c", "-r", "__node:=n"], overridden)]
    program = (
        "import os, rclpy\nfor arguments, more in " + repr(cases) + ":\n    os.environ.pop('ROS_SECURITY_ENCLAVE_OVERRIDE', None)\n"
        "    os.environ.update(more)\n    try:\n        rclpy.init(args=['x', *arguments], context=rclpy.Context())\n"
        "    except RuntimeError as error:\n        print(str(error).split(chr(39))[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env={**os.environ, **ENFORCED}, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [f"/ks/enclaves/{enclave_of(arguments, more).lstrip('/')}".rstrip("/") for arguments, more in cases], done.stderr


def test_a_whole_keystore_passes(keystore: Path) -> None:
    check_enclave(Demand(keystore, "it"), CAR, 7)
    (keystore / "enclaves" / CAR[1:] / "key.pem").rename(keystore / "enclaves" / CAR[1:] / "key.p11")  # the key is in a token
    check_enclave(Demand(keystore, "it"), CAR, 7)


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    (".", lambda ks: ks.rename(ks.with_name("gone")), "{ks} is no keystore: ros2 security create_keystore {ks}"),
    (OF_CAR, lambda car: car.rename(car.with_name("gone")), "{ks} has no enclave /heron/car"),
    (f"{OF_CAR}/cert.pem", Path.unlink, "{ks}/enclaves/heron/car/cert.pem is missing"),
    (f"{OF_CAR}/governance.p7s", Path.unlink, "{ks}/enclaves/heron/car/governance.p7s is missing"),
    (f"{OF_CAR}/key.pem", lambda key: key.chmod(0o640), "key.pem: mode 0640 shows a private key to other users: chmod -R go-rwx {ks}"),
    ("private/ca.key.pem", lambda key: key.chmod(0o604), "{ks}/private/ca.key.pem: mode 0604"),
    (f"{OF_CAR}/permissions.p7s", lambda file: file.write_text(SIGNED.replace("2036", "2025")), "permissions.p7s has expired on 2025-11-20"),
    (f"{OF_CAR}/governance.p7s", lambda file: file.write_text("<id>0</id>"), "governance.p7s is for DDS domain 0, and the process is to run on 7"),
    (f"{OF_CAR}/permissions.p7s", lambda file: file.write_text("<min>8</min>\n<max>9</max>"), "is for DDS domain 8 .. 9, and"),
]


@pytest.mark.parametrize(("where", "damage", "says"), DAMAGES)
def test_what_a_keystore_lacks_is_said(keystore: Path, where: str, damage: Callable[[Path], object], says: str) -> None:
    damage(keystore / where)
    with pytest.raises(ConfigError) as caught:
        check_enclave(Demand(keystore, "it"), CAR, 7, datetime(2026, 11, 23, tzinfo=timezone.utc))
    assert str(caught.value).startswith("it: ") and says.format(ks=keystore) in str(caught.value)
    assert "\n" not in str(caught.value)
    if where.startswith(OF_CAR):
        check_enclave(Demand(keystore, "it"), BOX, 7)  # of another process


def test_a_range_of_domains_has_all_between(keystore: Path) -> None:
    (keystore / "enclaves" / CAR[1:] / "governance.p7s").write_text("<id_range><min>5</min></id_range>")
    check_enclave(Demand(keystore, "it"), CAR, 7)


def test_the_middleware_is_asked_for_real(keystore: Path) -> None:
    """Wheels of ROS 2 have no DDS security, and those that have it do not take this keystore: either way it is refused, by its own word."""
    refused = r"it: the middleware here cannot keep it, .* enclave /heron/car: .*node.*; take a full ROS 2 installation"
    with pytest.raises(ConfigError, match=refused) as caught:
        try_middleware(Demand(keystore, "it", "leave it"), CAR, {**os.environ, "ROS_DOMAIN_ID": "7"})
    assert str(caught.value).endswith("to run open on purpose, leave it") and ".cpp:" not in str(caught.value)


def _probe(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(security, "PROBE", [sys.executable, "-c", program])


def test_a_graph_is_checked_process_by_process(keystore: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    _probe(monkeypatch, f"import os; open({str(tries)!r}, 'a').write(os.environ['ROS_SECURITY_ENCLAVE_OVERRIDE'] + os.environ['ROS_DOMAIN_ID'])")
    environment = {**ENFORCED, "ROS_SECURITY_KEYSTORE": str(keystore), "ROS_DOMAIN_ID": "7"}
    car, box, other = (Process(name, "", "p", "x", ("--ros-args", "--enclave", f"/heron/{name}"), {}, (), {}, ()) for name in ("car", "box", "other"))
    refuse_open([car, box], environment)
    assert tries.read_text() == "/heron/car7", "the middleware is the same for all"
    with pytest.raises(ConfigError, match="has no enclave /heron/other"):
        refuse_open([car, box, other], environment)
    refuse_open([car, box, other], {})  # nobody asked
    wants = Process("car", "", "p", "x", (), {"secure": True}, (), {}, ())
    with pytest.raises(ConfigError, match="parameter secure of /car demands DDS security"):
        refuse_open([box, wants], {})
    _probe(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(security, "PROBE_S", 0.2)
    with pytest.raises(ConfigError, match="no answer in 0 s"):
        refuse_open([car], environment)


def test_what_the_middleware_refuses_later_is_said_as_well(keystore: Path) -> None:
    environment = {**ENFORCED, "ROS_SECURITY_KEYSTORE": str(keystore), "ROS_DOMAIN_ID": "7", "ROS_SECURITY_ENCLAVE_OVERRIDE": CAR}
    with pytest.raises(ConfigError, match=r"cannot keep it, .*: no luck; take"), secured(environment, []):
        raise RuntimeError("no luck, at /x/y.c:3")
    with pytest.raises(RuntimeError, match=r"^bad luck$"), secured({}, []):
        raise RuntimeError("bad luck")  # not ours


@pytest.mark.parametrize(
    ("asked", "words", "says"),
    [
        ({**ENFORCED, "ROS_DOMAIN_ID": "7"}, [], "the middleware here cannot keep it"),
        ({}, ["-p", "secure:=true"], "parameter secure of /box demands DDS security"),
    ],
)
def test_a_container_does_not_start_open(asked: dict[str, str], words: list[str], says: str, keystore: Path, container_domain: int) -> None:
    """As `ros2 launch` starts it."""
    given = {**os.environ, "ROS_DOMAIN_ID": str(container_domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", **asked}
    given |= {"ROS_SECURITY_KEYSTORE": str(keystore)} if asked else {}
    command = [sys.executable, "-m", "heron_runtime.container", "--ros-args", "-r", "__node:=box", "--enclave", BOX, *words]
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and f"component_container: {'' if words else 'ROS_SECURITY'}" in done.stderr, done.stderr
    assert says in done.stderr and "Traceback" not in done.stderr
