"""A policy on board that plans while the server does not: when it begins, when it gives way again, and which policies can stand in."""

from __future__ import annotations

from dataclasses import dataclass

from heron_core.errors import ConfigError
from heron_core.ranges import check_ranges
from heron_vla.folder import PolicyFolder


@dataclass(frozen=True)
class FallbackConfig:
    """The policy on board.

    Attributes:
        policy: its folder; empty: none, and while the link is down the control ladder stops the car.
        patience_ms: an answer that is not here so long after the exposure does not come: from then on the policy on board plans.
        returns: so many answers of the server in a row, each in time, and it plans again.
    """

    policy: str = ""
    patience_ms: int = 250
    returns: int = 2

    def __post_init__(self) -> None:
        check_ranges(self, ("patience_ms", 20, 5000), ("returns", 1, 100))


class StandIn:
    """Who drives, decided by the server's answers alone; orders are those of asking.

    Args:
        returns: answers in a row after which the server drives again.

    Attributes:
        drives: whether the policy on board does.
        times: how often it began.
        plans: how many were its own.
    """

    def __init__(self, returns: int) -> None:
        self._returns = returns
        self.drives, self.times, self.plans = False, 0, 0
        self._answered, self._in_a_row = 0, 0
        self._began_ns, self._driven_ns = 0, 0

    def missed(self, order: int, now_ns: int) -> bool:
        """The server owes an answer. True: the policy on board begins, now. One that is lost among others that came changes nothing."""
        if order < self._answered:
            return False
        self._in_a_row = 0
        if self.drives:
            return False
        self.drives, self._began_ns = True, now_ns
        self.times += 1
        return True

    def came(self, order: int, now_ns: int) -> bool:
        """An answer of the server came in time. True: the server drives again, from the next one on."""
        self._answered = max(self._answered, order)
        if not self.drives:
            return False
        self._in_a_row += 1
        if self._in_a_row < self._returns:
            return False
        self.drives, self._in_a_row = False, 0
        self._driven_ns += now_ns - self._began_ns
        return True

    def driven_s(self, now_ns: int) -> float:
        """Seconds in which the policy on board drove."""
        return (self._driven_ns + (now_ns - self._began_ns if self.drives else 0)) / 1e9


def check_stand_in(own: PolicyFolder, other: PolicyFolder) -> None:
    """Whether a policy can plan on the very questions that are asked for another; only text may go unread.

    Raises:
        ConfigError: it wants or gives something else; the text says what.
    """
    unlike = own.unlike(other)
    if unlike:
        raise ConfigError(
            f"remote.fallback.policy {other.path}: has other {', '.join(unlike)} than {own.path}, whose images and histories it would get; "
            "export it with the same, or leave it out"
        )
