"""The executor of a container."""

from __future__ import annotations

from typing import Any

from rclpy.executors import SingleThreadedExecutor


class AttributingExecutor(SingleThreadedExecutor):  # type: ignore[misc]  # rclpy is untyped
    """A single-threaded executor that remembers whose callback runs, so that an exception has an owner."""

    current: Any = None

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> Any:
        """As in the base class."""
        handler, entity, node = super().wait_for_ready_callbacks(*args, **kwargs)
        self.current = node
        return handler, entity, node
