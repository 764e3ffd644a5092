"""Who could publish plans at all: on a car, nobody outside this computer."""

from __future__ import annotations

from collections.abc import Mapping

from heron_core.errors import ConfigError

RANGE, PEERS = "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_STATIC_PEERS"
CLOSED = ("LOCALHOST", "OFF")


def check_network(environment: Mapping[str, str], trusted: bool) -> None:
    """Refuses to drive where other hosts can publish plans.

    Args:
        environment: of the process.
        trusted: whoever operates the car says that nobody else is on its network.

    Raises:
        ConfigError: ROS 2 discovers other hosts; the text says how to close it.
    """
    found, peers = environment.get(RANGE, ""), environment.get(PEERS, "")
    if trusted or (found in CLOSED and not peers):
        return
    said = f"{RANGE} is {found or 'not set (SUBNET)'}" if found not in CLOSED else f"{PEERS} names {peers}"
    raise ConfigError(
        f"drive: {said}, so other hosts can publish plans. Set {RANGE}=LOCALHOST and no {PEERS}, or the parameter trust_network where nobody else is"
    )
