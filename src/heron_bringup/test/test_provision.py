"""The set-up: what it refuses, what it repeats, and the environment it composes."""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from heron_bringup import bootstrap
from heron_bringup.provision import checks, stamp, venv, workspace
from heron_bringup.provision.environment import compose
from heron_bringup.provision.errors import SetupError
from heron_bringup.provision.lock import setup_lock
from heron_bringup.provision.underlay import Underlay, find_underlay


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small repository: two requirement files, one Python and one message package."""
    (tmp_path / "requirements.txt").write_text("numpy==1.26.4\n")
    (tmp_path / "requirements-ros.txt").write_text("ros-jazzy-rclpy==7.1.6\n")
    (tmp_path / "requirements-model.in").write_text("-c requirements.txt\ntorch==2.13.0  # exact\npeft\n")
    (tmp_path / "requirements-model.txt").write_text("peft==0.21.2\n")
    for folder in ("src/heron_core", "src/interfaces/tf2_msgs/msg", "src/heron_bringup", "config"):
        (tmp_path / folder).mkdir(parents=True)
    for package in ("heron_core", "interfaces/tf2_msgs", "heron_bringup"):
        (tmp_path / "src" / package / "package.xml").write_text("<package/>")
    (tmp_path / "src/interfaces/tf2_msgs/msg/TFMessage.msg").write_text("int32 a\n")
    return tmp_path


def test_nothing_but_the_lock_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else pip may look for a newer release of what something names with an extra, find that it has no hash, and stop."""
    asked: list[list[str]] = []
    monkeypatch.setattr(venv, "run_pip", lambda _, arguments: asked.append(arguments))
    monkeypatch.setattr(venv, "compile_packages", lambda _: None)
    venv.install(tmp_path, [tmp_path / "requirements.txt", tmp_path / "requirements-ros.txt"])
    files = ["-r", str(tmp_path / "requirements.txt"), "-r", str(tmp_path / "requirements-ros.txt")]
    assert asked == [["install", "--require-hashes", "--no-deps", *files]]


@pytest.mark.parametrize("version", [(3, 9), (3, 13)])
def test_wrong_python_names_the_cure(version: tuple[int, int]) -> None:
    with pytest.raises(SetupError, match=rf"Python 3\.{version[1]}.*\n.*apt-get install python3\.12"):
        checks.check_python(version)


@pytest.mark.parametrize("version", [(3, 10), (3, 11), (3, 12)])
def test_supported_python_passes(version: tuple[int, int]) -> None:
    checks.check_python(version)


def test_missing_headers_name_the_package(tmp_path: Path) -> None:
    minor = sys.version_info.minor
    with pytest.raises(SetupError, match=rf"Python\.h.*\n.*apt-get install python3\.{minor}-dev"):
        checks.check_headers(tmp_path)
    (tmp_path / "Python.h").touch()
    checks.check_headers(tmp_path)


def test_missing_compilers_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(SetupError, match=r"no C compiler.*\n.*build-essential"):
        checks.check_compilers(str(tmp_path))
    _script(tmp_path / "cc", "exit 0")
    with pytest.raises(SetupError, match=r"no C\+\+ compiler.*\n.*build-essential"):
        checks.check_compilers(str(tmp_path))
    _script(tmp_path / "c++", "exit 0")
    checks.check_compilers(str(tmp_path))


def test_full_disk_states_free_and_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=287_000_000))
    with pytest.raises(SetupError, match=r"0\.3 GB free.*3\.5 GB needed.*\n.*cure"):
        checks.check_disk(tmp_path, checks.VENV_BYTES)


def test_unwritable_clone_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.os, "access", lambda *_: False)  # the tests may run as root, who may write anywhere
    with pytest.raises(SetupError, match=f"no write permission in {tmp_path}"):
        checks.check_writable(tmp_path)


def test_no_network_is_said_and_leaves_a_marker(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: nobody listens
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_TIMEOUT", "1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    (clone / "requirements.txt").write_text("numpy==1.26.4 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(SetupError, match=r"package index cannot be reached.*\n.*\./heron setup"):
        venv.make_venv(clone, Underlay("jazzy", ()), bootstrap.base_python())
    assert (clone / ".venv" / venv.UNFINISHED).exists()


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "is not the one"),
        ("WARNING: Retrying ... NewConnectionError('Temporary failure in name resolution')", "cannot be reached"),
        ("ERROR: something new", "exit code 7"),
    ],
)
def test_pip_failures_are_told_apart(errors: str, said: str) -> None:
    assert said in venv.explain_pip(errors, 7)


def test_pip_shows_progress_and_keeps_the_rest_for_a_failure(clone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    script = clone / ".venv/bin/python"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\nfor i in $(seq 120); do echo Ignoring p$i; echo Collecting p$i==1; done\necho boom >&2; exit 3\n")
    script.chmod(0o755)
    with pytest.raises(SetupError, match="exit code 3"):
        venv.install(clone / ".venv", [])
    shown = capfd.readouterr()
    assert [line.strip() for line in shown.out.splitlines()[1:]] == ["50 packages found", "100 packages found"]
    assert shown.err.splitlines()[-1] == "boom"
    assert len(shown.err.splitlines()) == venv.SHOWN_LINES


def test_cmake_paths_of_the_build_machine_are_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = tmp_path / "share/a/cmake/export.cmake"
    export.parent.mkdir(parents=True)
    export.write_text(
        'INCLUDE "/opt/python/cp311-cp311/include/python3.11;'
        "/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include;"
        '/opt/_internal/cpython-3.11.9/include/python3.11" )'
    )
    answer = SimpleNamespace(stdout="/usr/include/py\n/np/core/include\n")
    monkeypatch.setattr(venv.subprocess, "run", lambda *_, **__: answer)
    venv.mend_cmake(tmp_path)
    assert export.read_text() == 'INCLUDE "/usr/include/py;/np/core/include;/usr/include/py" )'


def test_a_missing_or_sealed_home_does_not_stop_ros(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compose(clone, None, {})["HOME"] == str(Path.home())
    assert "ROS_LOG_DIR" not in compose(clone, None, {"HOME": str(tmp_path)})
    monkeypatch.setattr("os.access", lambda *_: False)
    assert compose(clone, None, {"HOME": "/sealed"})["ROS_LOG_DIR"] == f"{tempfile.gettempdir()}/heron_ros_log_{os.getuid()}"
    assert compose(clone, None, {"HOME": "/sealed", "ROS_LOG_DIR": "/mine"})["ROS_LOG_DIR"] == "/mine"


def test_digests_change_with_what_they_stand_for(clone: Path) -> None:
    def digests() -> tuple[str, str]:
        wheels = stamp.venv_digest(clone, "/usr/bin/python3.11 3.11.2", None)
        return wheels, stamp.workspace_digest(clone, wheels)

    first = digests()
    assert digests() == first
    (clone / "src/heron_core/module.py").write_text("x = 1\n")
    assert digests() == first, "Python modules are linked: a change needs no build"
    (clone / "config/rig.yaml").write_text("a: 1\n")
    with_config = digests()
    assert with_config[0] == first[0]
    assert with_config[1] != first[1], "a new configuration file must be installed"
    (clone / "src/interfaces/tf2_msgs/msg/TFMessage.msg").write_text("int64 a\n")
    with_message = digests()
    assert with_message[0] == first[0]
    assert with_message[1] != with_config[1]
    (clone / "requirements-ros.txt").write_text("ros-jazzy-rclpy==7.1.7\n")
    assert digests()[0] != first[0]
    assert stamp.venv_digest(clone, "/usr/bin/python3.12 3.12.3", None) != digests()[0]


def test_only_what_changed_is_done_again(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fake_venv(*_: object) -> None:
        done.append("venv")
        (clone / ".venv").mkdir(exist_ok=True)

    def fake_build(_root: Path, _underlay: object, _environ: object, clean: bool) -> None:
        done.append("clean build" if clean else "build")
        for name in ("build", "install"):
            (clone / name).mkdir(exist_ok=True)

    monkeypatch.setattr(bootstrap, "make_venv", fake_venv)
    monkeypatch.setattr(bootstrap, "build_workspace", fake_build)
    monkeypatch.setattr(bootstrap.checks, "check_machine", lambda *_: None)
    bootstrap.Setup(clone, {}).complete()
    bootstrap.Setup(clone, {}).complete()
    assert done == ["venv", "clean build"]
    (clone / "src/heron_core/package.xml").write_text("<package format='3'/>")
    bootstrap.Setup(clone, {}).complete()
    assert done[2:] == ["build"]
    (clone / "requirements.txt").write_text("numpy==1.26.3\n")
    bootstrap.Setup(clone, {}).complete()
    assert done[3:] == ["venv", "clean build"], "other wheels: nothing built against the old ones may stay"
    (clone / ".venv" / venv.UNFINISHED).touch()
    assert not bootstrap.Setup(clone, {}).venv_ready()


def test_a_failed_build_is_not_taken_for_done(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SetupError("the workspace does not build")

    monkeypatch.setattr(bootstrap, "make_venv", lambda *_: (clone / ".venv").mkdir(exist_ok=True))
    monkeypatch.setattr(bootstrap, "build_workspace", fail)
    monkeypatch.setattr(bootstrap.checks, "check_machine", lambda *_: None)
    setup = bootstrap.Setup(clone, {})
    with pytest.raises(SetupError):
        setup.complete()
    assert setup.venv_ready()
    assert not setup.workspace_ready()


def test_a_torn_stamp_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "stamp.json"
    stamp.write_stamp(path, "abc")
    assert stamp.read_stamp(path) == "abc"
    path.write_text('{"dig')
    assert stamp.read_stamp(path) == ""


def test_environment_puts_ours_first_and_keeps_the_callers(clone: Path) -> None:
    prefix = clone / "install" / "tf2_msgs"
    site = Path("lib", f"python3.{sys.version_info.minor}", "site-packages")
    (prefix / site).mkdir(parents=True)
    (prefix / "lib" / "libtf2_msgs.so").touch()
    (clone / "install" / "heron_core").mkdir()
    hook = clone / "build" / "heron_core" / "share" / "heron_core" / "hook" / "pythonpath_develop.dsv"
    hook.parent.mkdir(parents=True)
    hook.touch()
    (clone / ".venv" / site / "ros_rclpy.libs").mkdir(parents=True)
    sources = str(clone / "src" / "heron_bringup")
    given = {"PATH": "/usr/bin", "PYTHONPATH": f"{sources}:/mine", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "LD_LIBRARY_PATH": "/cuda"}
    result = compose(clone, None, given)
    assert result["PATH"] == f"{clone}/.venv/bin:/usr/bin"
    assert result["PYTHONPATH"].split(":") == [f"{clone}/build/heron_core", str(prefix / site), "/mine"]
    assert result["AMENT_PREFIX_PATH"].split(":") == [f"{clone}/install/heron_core", str(prefix), f"{clone}/.venv"]
    assert result["LD_LIBRARY_PATH"].split(":") == [
        *(f"{prefix}/lib", f"{clone}/.venv/lib", f"{clone}/.venv/{site}/ros_rclpy.libs", "/cuda"),
    ]
    assert result["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] == "1"
    assert result["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET", "the caller's choice stands"
    assert result["RMW_IMPLEMENTATION"] == "rmw_fastrtps_cpp"
    assert compose(clone, None, result) == result, "a heron started by a heron sees the same"


def test_a_sourced_ros_is_the_underlay(clone: Path, tmp_path: Path) -> None:
    ros = tmp_path / "opt_ros"
    index = ros / "share/ament_index/resource_index/packages"
    index.mkdir(parents=True)
    environ = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": f"{clone}/install/heron_core:{ros}"}
    assert find_underlay(environ, clone) is None, "without rclpy it is no ROS 2 to build on"
    (index / "rclpy").touch()
    (index / "tf2_msgs").touch()
    underlay = find_underlay(environ, clone)
    assert underlay == Underlay("jazzy", (str(ros),))
    assert find_underlay({**environ, "ROS_DISTRO": ""}, clone) is None
    assert [p.name for p in stamp.requirement_files(clone, underlay)] == ["requirements.txt"]
    command = workspace.build_command(clone, underlay)
    assert command[command.index("--packages-ignore") + 1] == "tf2_msgs"
    assert "--packages-ignore" not in workspace.build_command(clone, None)
    assert "_ROS_WHEELS_BOOTSTRAP_COMPLETE" not in compose(clone, underlay, environ)


def test_two_set_ups_take_turns(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    order: list[str] = []

    def second() -> None:
        with setup_lock(tmp_path / "lock"):
            order.append("second")

    with setup_lock(tmp_path / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]
    assert "waiting" in capfd.readouterr().out


def test_front_door_refuses_a_machine_without_python(tmp_path: Path) -> None:
    root = bootstrap.repository_root()
    front = tmp_path / "heron"
    front.write_text((root / "heron").read_text())
    for tool in ("uname", "dirname", "head", "cat"):
        (tmp_path / tool).symlink_to(next(p for p in (Path("/usr/bin", tool), Path("/bin", tool)) if p.exists()))
    _script(tmp_path / "python3.11", "echo 'pyenv: python3.11: command not found' >&2; exit 127")  # a shim that does not run
    _script(tmp_path / "python3", "echo Python 3.8.1; exit 1")
    ended = subprocess.run(["/bin/sh", str(front), "test"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "no working Python 3.10, 3.11 or 3.12" in ended.stderr
    assert "Python 3.8.1" in ended.stderr
    assert "apt-get install" in ended.stderr


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
