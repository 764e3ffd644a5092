"""Settings of a container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ContainerConfig:
    """ROS parameters of the node `component_container`.

    Attributes:
        expected_components: node names (with or without namespace) that must be loaded for the container to be whole; empty: nobody waits.
        startup_timeout_s: after this long, a component that is still missing is reported.
        exit_on_missing: end with exit code 1 when an expected component is missing or failed at start-up.
        on_component_error: what an exception in a component's callback does: `exit` ends the container with exit code 1, `continue` counts it and
            keeps an ERROR on /diagnostics.
        shutdown_timeout_s: a clean-up that takes longer is cut off, with the stacks of all threads on stderr. Less than the 10 s that `ros2 launch`
            gives.
        freeze_gc: once all expected components are loaded, move them out of the cyclic collector's sight (a collection pauses timers by 100 ms).
        realtime_priority: SCHED_FIFO priority of the executor thread, 1 to 99; the process's other threads get one or two less. 0 for normal
            scheduling.
        lock_memory: keep the process's memory from being paged out; once all expected components are loaded.
        nice: niceness of the whole process, -20 (favoured) to 19.
        secure: end at once with exit code 2 unless ROS_SECURITY_ENABLE and its company enforce DDS security.
    """

    expected_components: tuple[str, ...] = ()
    startup_timeout_s: float = 30.0
    exit_on_missing: bool = True
    on_component_error: Literal["exit", "continue"] = "exit"
    shutdown_timeout_s: float = 8.0
    freeze_gc: bool = True
    realtime_priority: int = 0
    lock_memory: bool = False
    nice: int = 0
    secure: bool = False

    def __post_init__(self) -> None:
        for name in ("startup_timeout_s", "shutdown_timeout_s"):
            if not 0.0 < getattr(self, name) <= 3600.0:
                raise ValueError(f"{name} is {getattr(self, name)}, allowed: above 0, up to 3600")
        if not 0 <= self.realtime_priority <= 99:
            raise ValueError(f"realtime_priority is {self.realtime_priority}, allowed: 0 (off) to 99")
        if not -20 <= self.nice <= 19:
            raise ValueError(f"nice is {self.nice}, allowed: -20 to 19")
