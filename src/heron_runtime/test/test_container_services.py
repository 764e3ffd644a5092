"""A container driven through composition_interfaces."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from composition_interfaces.srv import ListNodes, LoadNode, UnloadNode
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

pytestmark = pytest.mark.alone

PACKAGE = "heron_runtime_test_components"


class Client:
    """Calls a container's services and watches the graph."""

    def __init__(self, domain: int, container: str) -> None:
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("client", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.clients = {
            kind: self.node.create_client(kind, f"/{container}/_container/{name}")
            for kind, name in ((LoadNode, "load_node"), (UnloadNode, "unload_node"), (ListNodes, "list_nodes"))
        }
        self.diagnostics: list[Any] = []
        self.node.create_subscription(DiagnosticArray, "/diagnostics", lambda message: self.diagnostics.extend(message.status), 10)
        for client in self.clients.values():
            assert client.wait_for_service(20.0)

    def call(self, kind: Any, **fields: Any) -> Any:
        future = self.clients[kind].call_async(kind.Request(**fields))
        self.executor.spin_until_future_complete(future, 20.0)
        assert future.done(), f"no answer to {kind.__name__}"
        return future.result()

    def load(self, cls: str, name: str = "", **fields: Any) -> Any:
        return self.call(LoadNode, package_name=fields.pop("package", PACKAGE), plugin_name=f"{PACKAGE}::{cls}", node_name=name, **fields)

    def listed(self) -> dict[int, str]:
        answer = self.call(ListNodes)
        return dict(zip(answer.unique_ids, answer.full_node_names, strict=True))

    def until(self, condition: Any, timeout_s: float = 10.0) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return True
            self.executor.spin_once(timeout_sec=0.05)
        return False

    def in_graph(self, name: str) -> bool:
        return name in self.node.get_node_names()

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture(scope="module")
def container(start_container: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    box = start_container(tmp_path_factory.mktemp("box") / "log", "--ros-args", "-r", "__node:=served")
    yield box
    box.signal(signal.SIGINT)
    code = box.exit_code()
    box.close()
    assert code == 0, box.text()


@pytest.fixture(scope="module")
def client(container: Any, container_domain: int) -> Iterator[Client]:
    made = Client(container_domain, "served")
    yield made
    made.close()


def test_load_list_unload_and_load_again(client: Client) -> None:
    first = client.load("Good", "a", node_namespace="/ns", parameters=[Parameter("speed_mps", value=3.5).to_parameter_msg()])
    assert first.success, first.error_message
    assert first.full_node_name == "/ns/a"
    assert client.listed() == {first.unique_id: "/ns/a"}
    assert client.until(lambda: client.in_graph("a"))
    assert client.call(UnloadNode, unique_id=first.unique_id).success
    assert client.listed() == {}
    assert client.until(lambda: not client.in_graph("a")), "an unloaded node stays in the ROS graph"
    again = client.load("Good", "a", node_namespace="/ns")
    assert again.success
    assert again.unique_id != first.unique_id
    assert client.call(UnloadNode, unique_id=again.unique_id).success


def test_own_name_and_duplicates(client: Client) -> None:
    first = client.load("Good")
    assert first.full_node_name == "/good"
    for name in ("good", ""):  # named in the request, or only found after construction
        second = client.load("Good", name)
        assert not second.success
        assert "/good is taken" in second.error_message
    reserved = client.load("Good", "served")
    assert not reserved.success
    # Found before construction: the constructor of Raises never runs.
    assert "is taken" in client.load("Raises", "good").error_message
    assert list(client.listed().values()) == ["/good"]
    assert client.call(UnloadNode, unique_id=first.unique_id).success


@pytest.mark.parametrize(
    ("cls", "package", "text"),
    [
        ("Raises", PACKAGE, "ValueError: no camera at /dev/video9"),
        ("Exits", PACKAGE, "SystemExit: 3"),
        ("Unknown", PACKAGE, "(it has: "),
        ("NoClass", PACKAGE, "has no class 'NoClass'"),
        ("NoModule", PACKAGE, "no_such_module_here"),
        ("Good", "no_such_package", "declares no components"),
    ],
)
def test_every_failed_load_says_why_and_leaves_nothing(client: Client, cls: str, package: str, text: str) -> None:
    answer = client.load(cls, "failing", package=package)
    assert not answer.success
    assert text in answer.error_message
    assert client.listed() == {}
    assert client.until(lambda: not client.in_graph("failing"))


def test_invalid_name_is_an_answer_not_a_crash(client: Client) -> None:
    assert not client.load("Good", "not a name").success
    assert client.listed() == {}


def test_unknown_id(client: Client) -> None:
    answer = client.call(UnloadNode, unique_id=12345)
    assert not answer.success
    assert "12345" in answer.error_message


def test_unload_frees_a_managed_node_in_a_frozen_container(start_container: Any, container_domain: int, tmp_path: Path) -> None:
    box = start_container(tmp_path / "log", "--ros-args", "-r", "__node:=frozen", "-p", "expected_components:=[cyclic]")
    try:
        client = Client(container_domain, "frozen")
        for _ in range(3):
            loaded = client.load("Cyclic")
            assert client.call(UnloadNode, unique_id=loaded.unique_id).success
        assert client.until(lambda: not client.in_graph("cyclic"))
        client.close()
        assert "all 1 components are up" in box.text()
        assert "already registered" not in box.text()  # rcl's warning about a second node of that name
    finally:
        box.close()


def test_expected_components_are_watched(start_container: Any, container_domain: int, tmp_path: Path) -> None:
    arguments = ["--ros-args", "-r", "__node:=watched", "-p", "expected_components:=[good, camera]", "-p", "startup_timeout_s:=4.0"]
    box = start_container(tmp_path / "log", *arguments)
    try:
        client = Client(container_domain, "watched")
        assert client.load("Good").success
        seen = client.until(lambda: any("camera was never loaded" in status.message for status in client.diagnostics), 15.0)
        client.close()
        assert seen, "nothing on /diagnostics"
        assert box.exit_code() == 1
        assert "start-up incomplete" in box.text()
        assert "camera was never loaded" in box.text()
        assert "good was never" not in box.text()
    finally:
        box.close()
