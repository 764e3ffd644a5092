"""The component container: one process, one single-threaded executor, any number of components.

Driven from outside through composition_interfaces (`ros2 component`, `ros2 launch`), or by itself from a file (`--spec`, what `./heron` uses).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import rclpy
from composition_interfaces.srv import ListNodes, LoadNode, UnloadNode
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from heron_core.errors import HeronError
from heron_core.signals import Health
from heron_runtime.config import ContainerConfig
from heron_runtime.diagnostics import ERROR, OK, WARN
from heron_runtime.executor import ContainerExecutor
from heron_runtime.health import StartUp
from heron_runtime.loader import Components, LoadError, LoadRequest
from heron_runtime.params import config_from_parameters, flatten
from heron_runtime.realtime import Priorities, be_nice, lock_memory
from heron_runtime.security import demanded, secured
from heron_runtime.shm import mapped, sweep
from heron_runtime.topics import topic_row
from heron_runtime.transport import HUBS, LivePublisher
from heron_runtime.watchdog import StopGuard, die_with_parent

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
NAME = "component_container"
KNOWN_EXTRA_ARGUMENTS = ("use_intra_process_comms",)  # given for C++ components; ours always hand over by reference
_BUILT_IN_PARAMETERS = ("use_sim_time", "start_type_description_service")
_HEALTH_PERIOD_S = 1.0


class Container(Node):  # type: ignore[misc]  # rclpy is untyped
    """Serves `~/_container/{load_node,unload_node,list_nodes}`, watches start-up, and stops in order.

    Args:
        executor: runs this node and every component.
        guard: told to stop when the container must end by itself.
        kwargs: those of `rclpy.node.Node`.
    """

    def __init__(self, executor: ContainerExecutor, guard: StopGuard, **kwargs: Any) -> None:
        super().__init__(kwargs.pop("node_name", NAME), automatically_declare_parameters_from_overrides=True, **kwargs)
        given = {name: parameter.value for name, parameter in self._parameter_overrides.items() if name not in _BUILT_IN_PARAMETERS}
        self.config = config_from_parameters(ContainerConfig, given, f"parameters of {self.get_fully_qualified_name()}")
        if self.config.secure:
            demanded(os.environ, f"parameter secure of {self.get_fully_qualified_name()}")
        for name, value in flatten(self.config).items():
            if not self.has_parameter(name):
                self.declare_parameter(name, value or [""] if name == "expected_components" else value)
        self.exit_code = EXIT_OK
        self.health = StartUp(tuple(name for name in self.config.expected_components if name))
        self.components = Components(self.context, executor, reserved=[self.get_fully_qualified_name()])
        self._executor, self._guard = executor, guard
        self._priorities = Priorities(self.config.realtime_priority)
        self._started_s, self._settled = time.monotonic(), False
        for service_type, name, callback in (
            (LoadNode, "load_node", self._on_load),
            (UnloadNode, "unload_node", self._on_unload),
            (ListNodes, "list_nodes", self._on_list),
        ):
            self.create_service(service_type, f"~/_container/{name}", callback)
        topic = self.resolve_topic_name("/diagnostics")
        self._diagnostics = LivePublisher(self, HUBS.get(self.context, topic, topic_row(topic)))
        self.create_timer(_HEALTH_PERIOD_S, self.check_health, clock=Clock(clock_type=ClockType.STEADY_TIME))
        executor.add_node(self)

    def load(self, request: LoadRequest) -> tuple[int, str]:
        """Loads one component; a failure is logged, kept for the health report, and raised.

        Raises:
            LoadError: with the original text; nothing else leaves this method, so that a constructor cannot end the process.
        """
        try:
            uid, name = self.components.load(request)
        except BaseException as error:
            expected = isinstance(error, HeronError)  # its text is made for people; anything else shows where it came from
            why = str(error) if expected else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"cannot load {request.plugin} as '{request.name}': {why if expected else traceback.format_exc().rstrip()}")
            self.health.load_failed(request.name or request.plugin, why)
            raise LoadError(why) from None
        self.get_logger().info(f"loaded {request.plugin} as {name}, id {uid}")
        self.health.load_succeeded(name)
        self._settle()
        return uid, name

    def load_spec(self, components: Sequence[dict[str, Any]]) -> None:
        """Loads the components of a spec (as `launch_reader.Component`) in order; all of them are expected."""
        self.health.expected = tuple(component["name"] for component in components)
        for component in components:
            if self._guard.stopping.is_set():
                return
            try:
                self.load(
                    LoadRequest(
                        component["package"],
                        component["plugin"],
                        component["name"],
                        component["namespace"],
                        tuple(f"{old}:={new}" for old, new in component["remaps"]),
                        [Parameter(name, value=value) for name, value in component["params"].items()],
                    )
                )
            except LoadError:
                continue  # logged; the health check below names all that failed, not only the first
        if not self._settled:
            self._startup_failed()

    def component_failed(self, error: BaseException) -> None:
        """What an exception in a component's callback leads to, by the parameter `on_component_error`."""
        node = self._executor.current
        # A turn of one component may run another's, to which the message went: the host marked whose it was.
        name = error.__dict__.get("heron_component") or (str(node.get_fully_qualified_name()) if node is not None else "(no component)")
        self.health.errors[name] += 1
        text = "".join(traceback.format_exception(error)).rstrip()
        self.get_logger().error(f"component {name} failed in a callback ({self.health.errors[name]} so far):\n{text}")
        if self.config.on_component_error == "exit" or node is self:
            self._fail(f"component {name} failed: {type(error).__name__}: {error}")

    def check_health(self) -> None:
        """Publishes the container's status; ends the start-up when its time is over; threads that are new get their priority."""
        self._publish_health()
        if self._settled or not self.health.expected:
            self.prioritise()
        if not self._settled and self.health.expected and time.monotonic() - self._started_s > self.config.startup_timeout_s:
            self._startup_failed()

    def prioritise(self) -> None:
        """In the executor thread: gives this process's threads their real-time priority."""
        self.warn(self._priorities.apply())

    def warn(self, refusal: str) -> None:
        """Logs a refusal, if there is one."""
        if refusal:
            self.get_logger().warning(refusal)

    def close(self) -> None:
        """Writes the components' reports, destroys them (last loaded, first destroyed), then this node."""
        for node in self.components.nodes():
            if callable(write := getattr(node, "write_report", None)):
                self._step(node, "report", write)
        while (node := self.components.pop_last()) is not None:
            self._executor.remove_node(node)
            self._step(node, "clean-up", node.destroy_node)
        self._executor.remove_node(self)
        self.destroy_node()

    def _step(self, node: Any, what: str, call: Any) -> None:
        name = node.get_fully_qualified_name()
        try:
            call()
        except Exception as error:  # the other components still get their turn; the exit code tells
            self.exit_code = EXIT_FAILED
            self.get_logger().error(f"{what} of {name} failed: {type(error).__name__}: {error}\n{traceback.format_exc().rstrip()}")

    def _settle(self) -> None:
        if self._settled or not self.health.expected or self.health.missing(self.components.names().values()):
            return
        self._settled = True
        self.prioritise()
        if self.config.lock_memory:
            self.warn(lock_memory())
        if self.config.freeze_gc:
            gc.collect()
            gc.freeze()
        self.get_logger().info(f"all {len(self.health.expected)} components are up after {time.monotonic() - self._started_s:.2f} s")

    def _startup_failed(self) -> None:
        self._settled = True
        self._publish_health()
        why = self.health.explain(self.components.names().values())
        self.get_logger().error(f"start-up incomplete after {time.monotonic() - self._started_s:.1f} s: {why}")
        if self.config.exit_on_missing:
            self._fail(f"start-up incomplete: {why}")

    def _fail(self, reason: str) -> None:
        self.exit_code = EXIT_FAILED
        self._guard.stop(reason)

    def _publish_health(self) -> None:
        names = self.components.names()
        missing = self.health.explain(names.values())
        troubled = ", ".join(f"{name}: {n} errors" for name, n in self.health.errors.items())
        overdue = time.monotonic() - self._started_s > self.config.startup_timeout_s or bool(self.health.failed)
        level = ERROR if troubled or (missing and overdue) else WARN if missing else OK
        text = "; ".join(text for text in (missing, troubled) if text) or f"{len(names)} components loaded"
        values = tuple((name, f"id {uid}") for uid, name in names.items())
        self._diagnostics.publish(Health(time.time_ns(), f"{self.get_fully_qualified_name()}: components", level, text, values))

    def _on_load(self, request: Any, response: Any) -> Any:
        for argument in request.extra_arguments:
            if argument.name not in KNOWN_EXTRA_ARGUMENTS:
                self.get_logger().warning(f"extra argument '{argument.name}' for {request.plugin_name} has no meaning here")
        try:
            response.unique_id, response.full_node_name = self.load(
                LoadRequest(
                    request.package_name,
                    request.plugin_name,
                    request.node_name,
                    request.node_namespace,
                    tuple(request.remap_rules),
                    [Parameter.from_parameter_msg(parameter) for parameter in request.parameters],
                    request.log_level,
                )
            )
            response.success = True
        except LoadError as error:
            response.success, response.error_message = False, str(error)
        return response

    def _on_unload(self, request: Any, response: Any) -> Any:
        try:
            name = self.components.unload(request.unique_id)
            self.get_logger().info(f"unloaded {name}, id {request.unique_id}")
            response.success = True
        except Exception as error:  # a component whose clean-up raises is gone all the same: the caller is told
            self.get_logger().error(f"unload of id {request.unique_id}: {type(error).__name__}: {error}")
            response.success, response.error_message = False, str(error) if isinstance(error, HeronError) else f"{type(error).__name__}: {error}"
        return response

    def _on_list(self, request: Any, response: Any) -> Any:
        for uid, name in self.components.names().items():
            response.unique_ids.append(uid)
            response.full_node_names.append(name)
        return response


def run(argv: Sequence[str]) -> int:
    """Runs a container until it is told to stop; returns the exit code. `argv` starts with the program's name."""
    parser = argparse.ArgumentParser(prog=NAME, description="Heron's component container. ROS arguments follow --ros-args.")
    parser.add_argument("--spec", type=Path, help="JSON file of one process, as the supervisor writes it; else services load the components")
    parser.add_argument("--die-with-parent", type=int, metavar="PID", help="stop when the parent process PID ends")
    options = parser.parse_args(remove_ros_args(list(argv))[1:])
    spec = json.loads(options.spec.read_text(encoding="utf-8")) if options.spec else {}
    executor: ContainerExecutor | None = None

    def wake() -> None:
        if executor is not None:
            with suppress(AttributeError):  # shut down already
                executor.create_task(lambda: None)  # a task, because spin_once goes back to sleep after a bare wake()

    guard = StopGuard(spec.get("name") or NAME, ContainerConfig.shutdown_timeout_s, wake)
    guard.install()
    if options.die_with_parent:
        die_with_parent(options.die_with_parent)
    try:
        with secured(os.environ, argv):
            rclpy.init(args=list(argv), signal_handler_options=SignalHandlerOptions.NO)
            executor = ContainerExecutor()
            container = Container(executor, guard, **_node_arguments(spec))
    except HeronError as error:
        sys.stderr.write(f"{NAME}: {error}\n")
        return EXIT_USAGE
    guard.name, guard.timeout_s = str(container.get_fully_qualified_name()), container.config.shutdown_timeout_s
    container.warn(be_nice(container.config.nice))
    if spec:
        container.load_spec(spec["components"])
    while not guard.stopping.is_set():
        try:
            executor.spin_once()
        except Exception as error:
            container.component_failed(error)
    container.get_logger().info(f"stopping: {guard.reason}")
    container.close()
    executor.shutdown(0)
    gc.unfreeze()
    gc.collect()  # managed nodes live on in cycles, and with them the DDS participant and its shared memory
    rclpy.try_shutdown()
    return container.exit_code


def _node_arguments(spec: dict[str, Any]) -> dict[str, Any]:
    if not spec:
        return {}
    rules = [word for old, new in spec["remaps"] for word in ("-r", f"{old}:={new}")]
    return {
        "node_name": spec["name"] or NAME,
        "namespace": spec["namespace"] or None,
        "parameter_overrides": [Parameter(name, value=value) for name, value in spec["params"].items()],
        "cli_args": ["--ros-args", *rules] if rules else None,
    }


def main() -> None:
    """The executable `component_container`."""
    code = run(sys.argv)
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()  # under the watchdog's eyes
    sys.stdout.flush()
    sys.stderr.flush()
    sweep(mapped(os.getpid()), but=os.getpid())  # a component that is still referenced somewhere keeps the DDS participant
    os._exit(code)  # exit handlers of DDS and inference libraries have been seen to hang: nothing of ours is left to do


if __name__ == "__main__":
    main()
