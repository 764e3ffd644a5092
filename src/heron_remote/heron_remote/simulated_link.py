"""A bad link on simulated time: what a request and its answer meet on their way, from a seed. The messages themselves travel over the real one."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from heron_core.errors import ConfigError
from heron_core.ranges import check_ranges

TRACE_KEY = "link_ms"
MOST_DELAY_MS = 10_000.0


@dataclass(frozen=True)
class SimulatedLinkConfig:
    """How bad the link is; as it stands here it is ideal.

    Attributes:
        delay_ms: of each way.
        jitter_ms: mean of what comes on top, exponentially distributed.
        loss: share of the requests that are lost with their answers, whatever the middleware does about lost packets.
        bandwidth_mbps: of the way to the server, in megabits per second; 0: no limit. Requests queue for it.
        cut_every_s: mean time from one cut to the next; 0: no cuts.
        cut_min_s, cut_max_s: how long one lasts, uniformly distributed.
        seed: of all that is random.
        trace: file of fates that were measured (`./heron remote matrix` writes them), which the requests meet one after the other, again and again,
            from a place that the seed chooses; see `load_trace`. It stands for delay, jitter, loss and bandwidth together.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    bandwidth_mbps: float = 0.0
    cut_every_s: float = 0.0
    cut_min_s: float = 0.1
    cut_max_s: float = 5.0
    seed: int = 0
    trace: str = ""

    def __post_init__(self) -> None:
        check_ranges(
            self,
            ("delay_ms", 0.0, MOST_DELAY_MS),
            ("jitter_ms", 0.0, MOST_DELAY_MS),
            ("loss", 0.0, 1.0),
            ("bandwidth_mbps", 0.0, 100_000.0),
            ("cut_every_s", 0.0, 3600.0),
            ("cut_max_s", 0.0, 600.0),
            ("cut_min_s", 0.0, self.cut_max_s),
        )
        if self.trace and self._reckoned:
            raise ValueError(f"trace = {self.trace!r} beside delay_ms, jitter_ms, loss or bandwidth_mbps: what was measured has them in it already")

    @property
    def ideal(self) -> bool:
        """Whether nothing is lost or later than it is."""
        return not (self._reckoned or self.trace or self.cut_every_s)

    @property
    def _reckoned(self) -> bool:
        return bool(self.delay_ms or self.jitter_ms or self.loss or self.bandwidth_mbps)


def load_trace(path: Path) -> tuple[float | None, ...]:
    """What requests met on a real link: JSON with `link_ms`, a list in the order of asking.

    Returns:
        Of each request the milliseconds from the moment when it was ready to be asked until its plan was there, less those that the policy thought:
        those a simulated drive adds by itself. None: no answer came in time.

    Raises:
        ConfigError: no such file, or not such a list.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"remote.simulated.trace {path}: {error}") from error
    fates = tree.get(TRACE_KEY) if isinstance(tree, dict) else None
    if not isinstance(fates, list) or not fates:
        raise ConfigError(f"remote.simulated.trace {path}: no list {TRACE_KEY!r} with at least one request; ./heron remote matrix writes such files")
    for fate in fates:
        number = isinstance(fate, (int, float)) and not isinstance(fate, bool)
        if fate is not None and not (number and math.isfinite(fate) and 0.0 <= fate <= MOST_DELAY_MS):
            raise ConfigError(f"remote.simulated.trace {path}: {fate!r} in {TRACE_KEY}, expected milliseconds, 0 .. {MOST_DELAY_MS:g}, or null")
    return tuple(fates)


class SimulatedLink:
    """Decides about one request after the other. The same requests at the same times meet the same fate.

    Attributes:
        counts: `passed`, `lost`, `cut`: requests by fate.
        cuts: begin and end in nanoseconds of every cut so far.
    """

    def __init__(self, config: SimulatedLinkConfig) -> None:
        """Opens the link.

        Raises:
            ConfigError: its trace cannot be read.
        """
        self.counts: Counter[str] = Counter()
        self.cuts: list[tuple[int, int]] = []
        self._config = config
        self._fates, self._breaks = random.Random(f"{config.seed} fates"), random.Random(f"{config.seed} cuts")
        self._trace = load_trace(Path(config.trace).expanduser()) if config.trace else ()
        self._next = random.Random(f"{config.seed} trace").randrange(len(self._trace)) if self._trace else 0
        self._free_ns = 0
        self._cut_until_ns: int | None = None

    def delay_ns(self, sent_ns: int, wire_bytes: int) -> int | None:
        """How much later than over an ideal link the answer to a request comes; None: never.

        Args:
            sent_ns: when the request is sent, never before the one before.
            wire_bytes: of the request.
        """
        delay_ns, lost = self._measured() if self._trace else self._reckoned(sent_ns, wire_bytes)
        if self._is_cut(sent_ns, sent_ns + delay_ns):
            self.counts["cut"] += 1
            return None
        self.counts["lost" if lost else "passed"] += 1
        return None if lost else delay_ns

    def _measured(self) -> tuple[int, bool]:
        """Delay and whether it is lost, by the trace."""
        fate_ms = self._trace[self._next]
        self._next = (self._next + 1) % len(self._trace)
        return round((fate_ms or 0.0) * 1e6), fate_ms is None

    def _reckoned(self, sent_ns: int, wire_bytes: int) -> tuple[int, bool]:
        config = self._config
        lost = self._fates.random() < config.loss  # drawn whatever happens, so that one fate does not change the next
        jitter_ms = sum(self._fates.expovariate(1.0) * config.jitter_ms for _ in range(2))
        waits_ns = self._transfer_ns(sent_ns, wire_bytes)
        return waits_ns + round((2.0 * config.delay_ms + jitter_ms) * 1e6), lost

    def _transfer_ns(self, sent_ns: int, wire_bytes: int) -> int:
        if not self._config.bandwidth_mbps:
            return 0
        begin_ns = max(sent_ns, self._free_ns)
        self._free_ns = begin_ns + round(8e3 * wire_bytes / self._config.bandwidth_mbps)
        return self._free_ns - sent_ns

    def _is_cut(self, begin_ns: int, end_ns: int) -> bool:
        """Whether there is a cut in this time."""
        if not self._config.cut_every_s:
            return False
        if self._cut_until_ns is None:
            self._cut_until_ns = begin_ns
        while not self.cuts or self.cuts[-1][0] <= end_ns:
            start_ns = self._cut_until_ns + round(self._breaks.expovariate(1.0 / self._config.cut_every_s) * 1e9)
            self._cut_until_ns = start_ns + round(self._breaks.uniform(self._config.cut_min_s, self._config.cut_max_s) * 1e9)
            self.cuts.append((start_ns, self._cut_until_ns))
        return any(start_ns <= end_ns and begin_ns <= until_ns for start_ns, until_ns in self.cuts)
