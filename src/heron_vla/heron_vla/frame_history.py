"""Frame sets of the last moments, by reference, for policies that see how things moved."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from heron_core.frames import FrameSet
from heron_vla.contract import History

TOLERANCE_NS = 60_000_000
"""How far a frame set may lie from the step that it is taken for: a little more than half a camera period."""


class FrameHistory:
    """Keeps what the policy wants to see again; gives it at a stamp, or the reason why not. Images are not copied."""

    def __init__(self, spec: History) -> None:
        self._spec = spec
        self._span_ns = round((spec.steps - 1) * spec.step_s * 1e9) + TOLERANCE_NS
        self._kept: deque[FrameSet] = deque()

    def add(self, frames: FrameSet) -> None:
        """Keeps a frame set; a step back in time forgets what was before."""
        if self._spec.steps == 1:
            return
        if self._kept and frames.stamp_ns <= self._kept[-1].stamp_ns:
            self._kept.clear()
        wanted = self._spec.inputs  # the buffers of all others may be used anew
        images = {name: frames.images[name] for name in wanted if name in frames.images}
        addresses = {name: frames.addresses[name] for name in wanted if name in frames.addresses}
        self._kept.append(replace(frames, images=images, addresses=addresses))
        while self._kept[0].stamp_ns < frames.stamp_ns - self._span_ns:
            self._kept.popleft()

    def at(self, stamp_ns: int) -> tuple[FrameSet, ...] | str:
        """The frame sets at the declared steps before `stamp_ns`, newest first. Text: why there are none."""
        found = []
        for step in range(1, self._spec.steps):
            wanted_ns = stamp_ns - round(step * self._spec.step_s * 1e9)
            nearest = min(self._kept, key=lambda frames: abs(frames.stamp_ns - wanted_ns), default=None)
            if nearest is None or abs(nearest.stamp_ns - wanted_ns) > TOLERANCE_NS:
                return f"no frame set {step * self._spec.step_s:g} s before"
            found.append(nearest)
        return tuple(found)
