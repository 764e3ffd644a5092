"""The base of every component: a managed ROS 2 node that also runs in lock-step."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from heron_core.clock import Instant
from heron_core.errors import HeronError
from heron_core.signals import Event
from heron_core.stages import Stages
from heron_runtime.diagnostics import PERIOD_NS, Diagnostics
from heron_runtime.host import FeedItems, Host, Publisher, Worker
from heron_runtime.live import LiveHost
from heron_runtime.params import RuntimeConfig, config_from_parameters, flatten, split_runtime
from heron_runtime.tracing import Trace

HostFactory = Callable[[Any], Host]
_BUILT_IN = re.compile(r"use_sim_time|start_type_description_service|qos_overrides\..*")
DEFAULT_DEPTH = 64


def _refuse_changes(parameters: list[Parameter[Any]]) -> SetParametersResult:
    """A component reads its parameters once; one that is set later would look as if it counted."""
    fixed = [parameter.name for parameter in parameters if not _BUILT_IN.fullmatch(parameter.name)]
    reason = f"{', '.join(fixed)}: read once at the start; change the launch file or its profile and start again" if fixed else ""
    return SetParametersResult(successful=not fixed, reason=reason)


class HeronNode(LifecycleNode):
    """A component. A subclass sets `NAME` and `Config`, builds everything in `setup`, and adds what it measured in `report`.

    `setup` runs on *configure*; timers, feeds and workers come alive on *activate*. Both happen on construction unless the parameter `autostart` is
    false. What setup raises is raised by the constructor, so that a container can say why a component was not loaded.

    Args:
        lockstep: makes the host of a lock-step run; None for the live graph.
        kwargs: those of `rclpy.node.Node`.
    """

    NAME: ClassVar[str]
    Config: ClassVar[type[Any]]
    lockstep: bool
    """Whether this component runs on simulated time."""

    def __init__(self, lockstep: HostFactory | None = None, **kwargs: Any) -> None:
        live = lockstep is None
        super().__init__(
            kwargs.pop("node_name", self.NAME),
            automatically_declare_parameters_from_overrides=True,
            start_parameter_services=live,
            enable_communication_interface=live,
            **kwargs,
        )
        self.lockstep = not live
        self._failure: Exception | None = None
        self._constructing = True
        self._closing = ExitStack()
        self._ready = False
        self.trace_data = Trace()
        try:
            runtime, own = split_runtime(self._given_parameters())
            self.runtime: RuntimeConfig = config_from_parameters(RuntimeConfig, runtime, self.get_name())
            self.config: Any = config_from_parameters(self.Config, own, self.get_name())
            for name, value in (*flatten(self.runtime).items(), *flatten(self.config).items()):
                if not self.has_parameter(name) and value != []:
                    self.declare_parameter(name, value)
            self.add_on_set_parameters_callback(_refuse_changes)
            self.host: Host = lockstep(self) if lockstep else LiveHost(self, self.runtime.time_offset_ns, self.warn)
            self._events = self.host.advertise("/events")
            self._diagnostics = Diagnostics(self)
            if self.runtime.autostart:
                self._transition(self.trigger_configure)
                self._transition(self.trigger_activate)
            self._constructing = False
        except BaseException:
            if hasattr(self, "host"):
                self.host.stop()
            self._closing.close()
            self.destroy_node()
            raise

    def setup(self) -> None:
        """Builds the component: publishers, subscriptions, timers, feeds, workers. Must not block."""
        raise NotImplementedError(f"{type(self).__name__} has no setup()")

    def interrupt(self) -> None:
        """Wakes live sources that wait for a device, so that their threads end; what `at_end` got follows when they have."""

    def report(self) -> dict[str, Any]:
        """What this component adds to `report.json`."""
        return {}

    # What a component may use ---------------------------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """The one clock: recorded time in replay, wall time on the car, `/clock` under use_sim_time.

        In lock-step it stands still inside a callback or a worker's `fn`; mark the end of a stage in `done`.
        """
        return self.host.now_ns()

    def instant(self) -> Instant:
        """This moment on the one clock and on the steady one."""
        return Instant(self.host.now_ns(), self.host.steady_ns())

    def advertise(self, topic: str) -> Publisher:
        """A publisher of the topic's native type."""
        return self.host.advertise(topic)

    def subscribe(self, topic: str, callback: Callable[[Any], None], outside: bool = True) -> None:
        """Calls back with native messages in the executor thread.

        Without `outside` only components of the same process are heard: what anybody else publishes, a replayed recording too, does not arrive. In
        lock-step, where all share one process and nobody else is there, it makes no difference.
        """
        self.host.subscribe(topic, callback, outside)

    def every(self, period_ns: int, callback: Callable[[], None]) -> None:
        """Calls back periodically."""
        self.host.every(period_ns, callback)

    def feed(self, items: Callable[[], FeedItems], callback: Callable[[Any], None], done: Callable[[], None] | None = None) -> None:
        """Calls back with each item at its due time (None: as soon as the iterator gives it; live sources that block), then `done`."""
        self.host.feed(items, callback, done)

    def worker(
        self, stage: str, fn: Callable[[Any], Any], done: Callable[[Any], None], newest_only: bool = True, depth: int = DEFAULT_DEPTH
    ) -> Worker:
        """A thread of this component that runs `fn` on submitted items; `done(result)` runs in the executor thread.

        `newest_only` keeps one waiting item, else `depth`; what is displaced counts in `worker.dropped`. In lock-step `done` follows after the
        simulated latency declared for `stage`. An exception in `fn` is a crash of the component: catch what bad input can raise.
        """
        return self.host.worker(stage, fn, done, newest_only, depth)

    def post(self, callback: Callable[[], None]) -> None:
        """Runs `callback` in the executor thread; may be called from any thread."""
        self.host.post(callback)

    def serve(self, name: str, service_type: Any, callback: Callable[[Any, Any], Any]) -> None:
        """A ROS service (live only)."""
        self.host.serve(name, service_type, callback)

    def publishers_of(self, topic: str) -> list[str]:
        """Full names of the nodes that publish `topic` now, sorted, one entry per publisher: two nodes of one name count twice.

        From the ROS graph, so it hears of other processes within discovery's delay; in lock-step from the scheduler.
        """
        return self.host.publishers_of(topic)

    def at_end(self, close: Callable[[], object]) -> None:
        """Calls `close` when the component ends, or when the rest of its `setup` fails; the last registered first. Right after opening something."""
        self._closing.callback(close)

    def count(self, name: str, n: int = 1) -> None:
        """Adds to a counter, shown in /diagnostics and the report."""
        self.trace_data.counters[name] += n

    def trouble(self, what: str, text: str) -> None:
        """Holds this component at ERROR on /diagnostics until the same `what` gets an empty text; said at once. In the executor thread."""
        self._diagnostics.set_trouble(what, text)

    def trace(self, stages: Stages) -> None:
        """Adds a message's stage times to the latency budget."""
        self.trace_data.add_stages(stages)

    def event(self, kind: str, text: str, cause: str = "") -> None:
        """Something a person may want to find later: on /events and in the log. `cause` is a short stable name for programs."""
        self.get_logger().info(f"{kind}: {text}")
        self._events.publish(Event(self.now_ns(), kind, self.get_name(), text, cause))

    def warn(self, text: str) -> None:
        """A warning in the log, also counted."""
        self.count("warnings")
        self.get_logger().warning(text)

    # Life cycle ----------------------------------------------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Builds the component."""
        return self._guarded(self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Timers, feeds and workers come alive."""
        return self._guarded(self.host.start)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The component rests."""
        return self._guarded(self.host.pause)

    def destroy_node(self) -> None:
        """Stops threads, closes what is open, destroys the ROS node."""
        if self._ready:
            self._ready = False
            self.interrupt()
            self.host.stop()
            self._closing.close()
        super().destroy_node()

    def write_report(self) -> Path | None:
        """Writes counters, durations and `report()` as JSON into the parameter `report_dir`; returns the file."""
        if not self.runtime.report_dir:
            return None
        path = Path(self.runtime.report_dir) / f"{self.get_name()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.full_report()), encoding="utf-8")
        return path

    def full_report(self) -> dict[str, Any]:
        """Name, counters, queue losses, stage durations in ms, and the component's own report."""
        return {
            "component": self.get_name(),
            "counters": dict(self.trace_data.counters),
            "dropped": self.host.dropped(),
            "stages_ms": self.trace_data.samples_ms,
            "report": self.report() if self._ready else {},
        }

    def _configure(self) -> None:
        if self._ready:
            raise HeronError(f"{self.get_name()} is configured already; unload and load it to configure anew")
        self.setup()
        self._ready = True
        self.every(PERIOD_NS, self._diagnostics.tick)

    def _guarded(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except Exception as error:  # rclpy would swallow it: keep it for the constructor, and say it
            self._failure = error
            if not self._constructing:  # else the constructor raises it, and who constructs says it
                self.get_logger().error(f"{type(error).__name__}: {error}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _transition(self, trigger: Callable[[], TransitionCallbackReturn]) -> None:
        result = trigger()
        if self._failure is not None:
            raise self._failure
        if result != TransitionCallbackReturn.SUCCESS:
            raise HeronError(f"{self.get_name()}: life-cycle transition ended in {result}")

    def _given_parameters(self) -> dict[str, Any]:
        return {
            name: list(value) if isinstance(value := parameter.value, tuple) else value
            for name, parameter in self._parameter_overrides.items()
            if not _BUILT_IN.fullmatch(name)
        }
