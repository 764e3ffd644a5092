"""Health, planners, buttons and the network around the car."""

from __future__ import annotations

import pytest

from heron_control.network import check_network
from heron_control.outside import Button, HealthWatch, PlannerWatch
from heron_core.clock import Instant
from heron_core.errors import ConfigError
from heron_core.signals import Health
from heron_core.vehicle import ABSENT, Signal, VehicleState

S = 1_000_000_000


def test_every_required_component_must_be_well_and_speak() -> None:
    watch = HealthWatch(("/camera", "/policy"), 3.0)
    assert watch.reason(Instant(0, 0)) is not None
    for name in ("/camera", "/policy", "/studio"):
        watch.add(Health(0, name, 2 if name == "/studio" else 1, "hot"))
    assert watch.reason(Instant(0, 0)) is None
    assert watch.reason(Instant(3 * S, 3 * S)) is None
    found = watch.reason(Instant(3 * S + 1, 3 * S + 1))
    assert found is not None and found.text == "/camera is silent: 3.0 s" and found.cause == "health"
    for level in (2, 3):
        watch.add(Health(3 * S, "/camera", 0, "ok"))
        watch.add(Health(3 * S, "/policy", level, "no frames"))
        found = watch.reason(Instant(3 * S, 3 * S))
        assert found is not None and found.text == "/policy: no frames"


def test_a_clock_set_back_makes_no_silence_shorter() -> None:
    watch = HealthWatch(("/policy",), 3.0)
    watch.add(Health(10 * S, "/policy", 0, "ok"))
    assert watch.reason(Instant(10 * S, 0)) is None and watch.reason(Instant(5 * S, 4 * S)) is not None


@pytest.mark.parametrize(
    ("pinned", "count", "who", "cause"),
    [
        ("", 1, "/anybody", ""),
        ("/policy", 1, "/policy", ""),
        ("/policy", 1, "/recorder", "planners"),
        ("/policy", 2, "/policy, /policy", "planners"),
        ("", 2, "/policy, /recorder", "planners"),
        ("/policy", 0, "", "planner_missing"),
    ],
)
def test_exactly_one_planner(pinned: str, count: int, who: str, cause: str) -> None:
    watch = PlannerWatch(pinned)
    assert (watch.reason() is None) is not pinned
    watch.set(count, who)
    found = watch.reason()
    assert ("" if found is None else found.cause) == cause


def test_a_button_is_pressed_once_and_must_have_been_seen_released() -> None:
    button = Button("engage_button")
    values: list[float | None] = [1.0, 1.0, 0.0, 1.0, 1.0, None, 1.0, 0.0, 0.5, 1.0, 0.0, 1.0]
    states = [VehicleState(0, {"engage_button": ABSENT if value is None else Signal(value, 0, True)}) for value in values]
    assert [i for i, state in enumerate(states) if button.pressed(state)] == [3, 11]


@pytest.mark.parametrize("environment", [{}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SYSTEM_DEFAULT"}])
def test_an_open_network_is_refused_and_the_text_says_the_remedy(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"Set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST .* or the parameter trust_network"):
        check_network(environment, False)
    check_network(environment, True)


def test_a_closed_network_is_one_without_peers() -> None:
    for found in ("LOCALHOST", "OFF"):
        check_network({"ROS_AUTOMATIC_DISCOVERY_RANGE": found}, False)
        with pytest.raises(ConfigError, match=r"ROS_STATIC_PEERS names 10\.0\.0\.9"):
            check_network({"ROS_AUTOMATIC_DISCOVERY_RANGE": found, "ROS_STATIC_PEERS": "10.0.0.9"}, False)
