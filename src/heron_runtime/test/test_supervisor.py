"""The supervisor: real containers, stopped, crashed, hung and orphaned."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heron_core.errors import ConfigError
from heron_runtime.launch_reader import Component, Process
from heron_runtime.shm import FOLDER, mapped
from heron_runtime.supervisor import Supervisor

pytestmark = pytest.mark.alone

PACKAGE = "heron_runtime_test_components"


def container(name: str, cls: str, params: dict[str, Any] | None = None, env: dict[str, str] | None = None) -> Process:
    component = Component(PACKAGE, f"{PACKAGE}::{cls}", f"{name}_part", "", {}, ())
    return Process(name, "", "heron_runtime", "component_container", (), params or {}, (), env or {}, (component,))


def logged(out_dir: Path, name: str, text: str) -> Callable[[], bool]:
    path = out_dir / "log" / f"{name}.log"
    return lambda: path.exists() and text in path.read_text()


def test_runs_until_told_and_leaves_no_shared_memory(ros_env: dict[str, str], tmp_path: Path) -> None:
    lines: list[str] = []
    seen: set[str] = set()
    supervisor = Supervisor([container("a", "Good"), container("b", "Cyclic")], ros_env, tmp_path, lines.append)
    up = [logged(tmp_path, name, "components are up") for name in "ab"]

    def ready() -> bool:
        for pid in supervisor.pids().values():
            seen.update(mapped(pid))
        return all(condition() for condition in up)

    exits = supervisor.run(ready)
    assert [(e.name, e.returncode, e.killed) for e in exits] == [("a", 0, False), ("b", 0, False)]
    assert not supervisor.interrupted
    assert any(line.startswith("[a] ") for line in lines)
    own = {name for name in seen if "port" not in name}
    assert own
    assert not own & set(supervisor.swept), "a clean exit leaves nothing to sweep"
    assert not [name for name in own if (FOLDER / name).exists()]


def test_a_crash_stops_the_others_and_is_explained(ros_env: dict[str, str], tmp_path: Path) -> None:
    fine, bad = Supervisor([container("fine", "Good"), container("bad", "Crashes")], ros_env, tmp_path).run()
    assert (fine.returncode, bad.returncode) == (0, 1)
    assert "process bad" in bad.explain()
    assert "boom in tick" in bad.explain()
    assert "\n" not in bad.explain(), "what the container gave as its reason is enough"


def test_a_killed_process_leaves_no_shared_memory(ros_env: dict[str, str], tmp_path: Path) -> None:
    supervisor = Supervisor([container("a", "Good")], ros_env, tmp_path)
    up, killed = logged(tmp_path, "a", "components are up"), []

    def kill_once() -> bool:
        if up() and not killed and any("port" not in name for name in mapped(supervisor.pids()["a"])):
            time.sleep(1.2)  # let the supervisor look at the maps
            killed.extend(mapped(supervisor.pids()["a"]))
            os.kill(supervisor.pids()["a"], signal.SIGKILL)
        return False

    # `until` runs in the supervisor's loop, so the sleep above must not be what records the segments: look from a thread.
    thread = threading.Thread(target=lambda: _until(kill_once, killed))
    thread.start()
    (end,) = supervisor.run()
    thread.join()
    assert "SIGKILL" in end.explain()
    assert killed
    assert not [name for name in killed if "port" not in name and (FOLDER / name).exists()]


def _until(step: Callable[[], bool], done: list[str]) -> None:
    deadline = time.monotonic() + 20
    while not done and time.monotonic() < deadline:
        step()
        time.sleep(0.05)


def test_a_straggler_is_killed_after_the_grace_time(ros_env: dict[str, str], tmp_path: Path) -> None:
    supervisor = Supervisor([container("slow", "HangsInCleanUp", {"shutdown_timeout_s": 60.0})], ros_env, tmp_path, grace_s=0.5)
    (end,) = supervisor.run(logged(tmp_path, "slow", "components are up"))
    assert end.killed
    assert end.failed
    assert "killed after the grace time" in end.explain()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_passed_on_and_orphans_stop(ros_env: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); from supervised import container; "
        "from heron_runtime.supervisor import Supervisor; "
        "s = Supervisor([container('a', 'Good')], None, Path(sys.argv[1])); ends = s.run(); sys.exit(40 + s.interrupted + 2 * ends[0].failed)"
    )
    (tmp_path / "supervised.py").write_text(Path(__file__).read_text())
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(tmp_path)], env=ros_env)
    try:
        up = logged(tmp_path, "a", "components are up")
        deadline = time.monotonic() + 20
        while not up() and time.monotonic() < deadline:
            time.sleep(0.05)
        parent.send_signal(number)
        assert parent.wait(15) == 41
        assert logged(tmp_path, "a", f"stopping: {number.name}")()
    finally:
        parent.kill()


def test_containers_stop_when_their_supervisor_is_killed(ros_env: dict[str, str], tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from supervised import container; "
        "from heron_runtime.supervisor import Supervisor; Supervisor([container('a', 'Good')], None, Path(sys.argv[1])).run()"
    )
    (tmp_path / "supervised.py").write_text(Path(__file__).read_text())
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=ros_env)
    deadline = time.monotonic() + 20
    while not logged(tmp_path, "a", "components are up")() and time.monotonic() < deadline:
        time.sleep(0.05)
    children = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    parent.kill()
    parent.wait()
    assert children
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in children)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_missing_executable_is_refused(ros_env: dict[str, str], tmp_path: Path) -> None:
    process = Process("x", "", "rclpy", "no_such_executable", (), {}, (), {}, ())
    with pytest.raises(ConfigError, match="has no executable 'no_such_executable'"):
        Supervisor([process], ros_env, tmp_path).run()
