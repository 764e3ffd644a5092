"""The container's executor: everything is served, awaiting callbacks too, and nothing outlives its node."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger

from heron_runtime.executor import SELDOM_NS, ContainerExecutor

DOMAIN = 83


@pytest.fixture
def graph() -> Iterator[tuple[ContainerExecutor, Node]]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    executor, node = ContainerExecutor(context=context), Node("served", context=context)
    executor.add_node(node)
    yield executor, node
    executor.remove_node(node)
    node.destroy_node()
    executor.shutdown(0)
    rclpy.try_shutdown(context=context)


def spin(executor: ContainerExecutor, until: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not until():
        assert time.monotonic() < deadline, "nothing came"
        executor.spin_once(0.05)


def test_topics_services_clients_and_timers_are_served(graph: tuple[ContainerExecutor, Node]) -> None:
    executor, node = graph
    heard: list[str] = []
    ticks: list[int] = []
    node.create_subscription(String, "words", lambda message: heard.append(message.data), 10)
    publisher = node.create_publisher(String, "words", 10)
    node.create_service(Trigger, "ask", lambda request, response: Trigger.Response(success=True, message="yes"))
    client = node.create_client(Trigger, "ask")
    node.create_timer(0.01, lambda: ticks.append(1), clock=Clock(clock_type=ClockType.STEADY_TIME))
    spin(executor, client.service_is_ready)
    for word in "abc":
        publisher.publish(String(data=word))
    answer = client.call_async(Trigger.Request())
    spin(executor, lambda: answer.done() and len(heard) == 3 and len(ticks) > 5)
    assert heard == ["a", "b", "c"]
    assert answer.result().message == "yes"


def test_a_topic_that_was_heard_once_is_waited_for(graph: tuple[ContainerExecutor, Node]) -> None:
    executor, node = graph
    heard: list[float] = []
    node.create_subscription(String, "words", lambda message: heard.append(time.monotonic()), 10)
    publisher = node.create_publisher(String, "words", 10)
    publisher.publish(String())
    spin(executor, lambda: bool(heard))
    delays_s = []
    for _ in range(10):
        count, sent = len(heard), time.monotonic()
        publisher.publish(String())
        while len(heard) == count:
            executor.spin_once(5.0)
        delays_s.append(heard[-1] - sent)
    assert sorted(delays_s)[5] < SELDOM_NS / 1e9 / 4


def test_a_callback_that_awaits_keeps_its_group_and_ends(graph: tuple[ContainerExecutor, Node]) -> None:
    executor, node = graph
    gate: Any = rclpy.Future()
    order: list[str] = []

    async def wait_for_gate() -> None:
        timer.cancel()
        order.append("begun")
        await gate
        order.append("ended")

    timer = node.create_timer(0.01, wait_for_gate)
    other = node.create_timer(0.01, lambda: order.append("other"))  # of the same, mutually exclusive group
    spin(executor, lambda: "begun" in order)
    before = order.count("other")
    for _ in range(5):
        executor.spin_once(0.02)
    assert order.count("other") == before
    gate.set_result(None)
    spin(executor, lambda: order.count("other") > before)
    assert "ended" in order
    other.cancel()


def test_an_exception_names_its_node_and_the_others_still_get_their_turn(graph: tuple[ContainerExecutor, Node]) -> None:
    executor, node = graph
    second = Node("second", context=node.context)
    executor.add_node(second)
    ran: list[str] = []

    def fail() -> None:
        failing.cancel()
        raise RuntimeError("on purpose")

    failing = node.create_timer(0.01, fail)
    second.create_timer(0.01, lambda: ran.append("second"))
    with pytest.raises(RuntimeError, match="on purpose"):
        spin(executor, lambda: False)
    assert executor.current is node
    spin(executor, lambda: bool(ran))
    task = executor.create_task(fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        spin(executor, lambda: False)
    assert task.done()
    executor.remove_node(second)
    assert executor.current is not second
    second.destroy_node()


def test_entities_come_and_go_while_it_spins(graph: tuple[ContainerExecutor, Node]) -> None:
    executor, node = graph
    for round_ in range(3):
        ticks: list[int] = []
        timer = node.create_timer(0.01, lambda ticks=ticks: ticks.append(1))  # type: ignore[misc]
        spin(executor, lambda ticks=ticks: len(ticks) > 2)  # type: ignore[misc]
        node.destroy_timer(timer)
        executor.spin_once(0.02)
        count = len(ticks)
        executor.spin_once(0.05)
        assert len(ticks) == count, round_


def test_a_task_from_another_thread_wakes_it_at_once(graph: tuple[ContainerExecutor, Node]) -> None:
    import threading

    executor, _ = graph
    executor.spin_once(0.01)
    ran: list[float] = []
    threading.Timer(0.1, lambda: executor.create_task(lambda: ran.append(time.monotonic()))).start()
    started = time.monotonic()
    while not ran:
        executor.spin_once()
    assert ran[0] - started < 0.3


def test_the_end_of_the_context_is_told(graph: tuple[ContainerExecutor, Node]) -> None:
    executor, node = graph
    rclpy.shutdown(context=node.context)
    with pytest.raises(ExternalShutdownException):
        spin(executor, lambda: False)
