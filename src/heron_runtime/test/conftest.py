"""Each DDS test gets its own ROS_DOMAIN_ID; containers run in subprocesses, with components from a temporary ament prefix."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from heron_runtime.domain import own_domain
from heron_runtime.shm import mapped, sweep

PACKAGE = "heron_runtime_test_components"
COMPONENTS = """
import threading, time
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node

class Good(Node):
    def __init__(self, **kwargs):
        super().__init__("good", automatically_declare_parameters_from_overrides=True, **kwargs)
    def write_report(self):
        if self.has_parameter("report_file"):
            with open(self.get_parameter("report_file").value, "w") as file:
                file.write(self.get_fully_qualified_name())

class Cyclic(LifecycleNode):  # its state machine keeps the rcl node alive
    def __init__(self, **kwargs):
        super().__init__("cyclic", **kwargs)
        self.me = self

class Raises(Node):
    def __init__(self, **kwargs):
        super().__init__("raises", **kwargs)
        raise ValueError("no camera at /dev/video9")

class Exits(Node):
    def __init__(self, **kwargs):
        super().__init__("exits", **kwargs)
        raise SystemExit(3)

class Crashes(Node):
    def __init__(self, **kwargs):
        super().__init__("crashes", **kwargs)
        self.n = 0
        self.create_timer(0.05, self.tick)
    def tick(self):
        self.n += 1
        if self.n <= 3:
            raise RuntimeError("boom in tick")

class HangsInCleanUp(Node):
    def __init__(self, **kwargs):
        super().__init__("hangs", **kwargs)
    def destroy_node(self):
        wait_for_nothing()

class HangsInCallback(Node):
    def __init__(self, **kwargs):
        super().__init__("stuck", **kwargs)
        self.create_timer(0.05, wait_for_nothing)

class LeavesThread(Node):
    def __init__(self, **kwargs):
        super().__init__("leaves", **kwargs)
        threading.Thread(target=wait_for_nothing).start()

class RaisesInCleanUp(Node):
    def __init__(self, **kwargs):
        super().__init__("dirty", **kwargs)
    def destroy_node(self):
        super().destroy_node()
        raise OSError("disk full")

def wait_for_nothing():
    threading.Event().wait()
"""


@pytest.fixture
def domain_id() -> Iterator[int]:
    """A domain that no other test uses at this moment."""
    with own_domain({}) as domain:
        yield domain


class Stack:
    """One process's components on one executor, and an outsider in a context of its own."""

    def __init__(self, domain_id: int) -> None:
        self.inside, self.outside = rclpy.Context(), rclpy.Context()
        rclpy.init(context=self.inside, domain_id=domain_id)
        rclpy.init(context=self.outside, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.inside)
        self.nodes: list[Any] = []

    def add(self, cls: type[Any], **parameters: Any) -> Any:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = cls(context=self.inside, use_global_arguments=False, parameter_overrides=overrides)
        self.executor.add_node(node)
        self.nodes.append(node)
        return node

    def spin_until(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)
        return condition()

    def close(self) -> None:
        for node in self.nodes:
            node.destroy_node()
        rclpy.try_shutdown(context=self.inside)
        rclpy.try_shutdown(context=self.outside)


@pytest.fixture
def stack(domain_id: int) -> Iterator[Stack]:
    stack = Stack(domain_id)
    yield stack
    stack.close()


@pytest.fixture(scope="session")
def container_domain() -> Iterator[int]:
    """The domain that the containers of this test run share, and nobody else: a participant that lingers would hold their shared memory."""
    with own_domain({}) as domain:
        yield domain


@pytest.fixture(scope="session")
def ros_env(tmp_path_factory: pytest.TempPathFactory, container_domain: int) -> dict[str, str]:
    """The environment of a container that finds the test components."""
    prefix = tmp_path_factory.mktemp("prefix")
    index = prefix / "share/ament_index/resource_index"
    classes = [line.split()[1].split("(")[0] for line in COMPONENTS.splitlines() if line.startswith("class ")]
    lines = [f"{PACKAGE}::{name};{PACKAGE}:{name}" for name in classes]
    lines += [f"{PACKAGE}::NoClass;{PACKAGE}:NoClass", f"{PACKAGE}::NoModule;no_such_module_here:X"]
    for kind, text in (("packages", ""), ("rclcpp_components", "\n".join(lines))):
        (index / kind).mkdir(parents=True)
        (index / kind / PACKAGE).write_text(text)
    (prefix / f"{PACKAGE}.py").write_text(COMPONENTS)
    env = dict(os.environ)
    env["AMENT_PREFIX_PATH"] = f"{prefix}:{env['AMENT_PREFIX_PATH']}"
    env["PYTHONPATH"] = f"{prefix}:{env.get('PYTHONPATH', '')}"
    env.update(ROS_DOMAIN_ID=str(container_domain), ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST", PYTHONUNBUFFERED="1")
    return env


class Box:
    """A container in a subprocess."""

    def __init__(self, env: dict[str, str], log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "heron_runtime.container", *arguments], env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )

    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str, timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while text not in self.text():
            assert self.process.poll() is None, f"ended with {self.process.returncode} before {text!r}:\n{self.text()}"
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.text()}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self, timeout_s: float = 20.0) -> int:
        return self.process.wait(timeout_s)

    def close(self) -> None:
        if self.process.poll() is None:
            segments = mapped(self.process.pid)
            self.process.kill()
            self.process.wait()
            sweep(segments)


@pytest.fixture(scope="session")
def start_container(ros_env: dict[str, str]) -> Any:
    """`start_container(log, *arguments)` → Box; the caller closes it."""
    return lambda log, *arguments: Box(ros_env, log, *arguments)


@pytest.fixture
def box(ros_env: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """`box(components={name: class}, params={…})` starts a container from a spec."""
    boxes = []

    def start(components: dict[str, str], params: dict[str, Any] | None = None, component_params: dict[str, Any] | None = None) -> Box:
        spec = {
            "name": "box",
            "namespace": "",
            "params": params or {},
            "remaps": [],
            "components": [
                {"package": PACKAGE, "plugin": f"{PACKAGE}::{cls}", "name": name, "namespace": "", "params": component_params or {}, "remaps": []}
                for name, cls in components.items()
            ],
        }
        path = tmp_path / f"spec{len(boxes)}.json"
        path.write_text(json.dumps(spec))
        boxes.append(Box(ros_env, tmp_path / f"box{len(boxes)}.log", "--spec", str(path)))
        return boxes[-1]

    yield start
    for started in boxes:
        started.close()
