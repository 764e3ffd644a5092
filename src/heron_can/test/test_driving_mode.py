"""Who drives, from /control/status into /vehicle/state."""

import dataclasses

import pytest

from heron_can.driving_mode import TIMEOUT_NS, DrivingMode, driving_mode
from heron_can.mapping import CanMapping
from heron_core.clock import Instant
from heron_core.signals import ControlStatus, Engagement
from heron_core.vehicle import ABSENT, SIGNALS

MS = 1_000_000
STATUS = ControlStatus(1000 * MS, Engagement.ENGAGED, "", True, 0, 0.0, 0.0, 0, 0, steer_request=True, accel_request=True)


@pytest.mark.parametrize("engagement", Engagement)
def test_only_states_that_drive_are_herons(engagement):
    status = dataclasses.replace(STATUS, engagement=engagement)
    assert driving_mode(status) == (1.0 if engagement in (Engagement.ENGAGED, Engagement.SOFT_STOP, Engagement.EMERGENCY) else 0.0)


def test_a_foot_on_the_throttle_leaves_steering_and_no_request_leaves_nothing():
    assert driving_mode(dataclasses.replace(STATUS, accel_request=False)) == 2.0
    assert driving_mode(dataclasses.replace(STATUS, steer_request=False, accel_request=False)) == 0.0


def test_age_and_validity():
    mode = DrivingMode()
    assert mode.signal(Instant(0, 0)) == ABSENT
    mode.heard(STATUS, Instant(1002 * MS, 5 * MS))
    fresh = mode.signal(Instant(1010 * MS, 13 * MS))
    assert (fresh.value, fresh.age_ns, fresh.valid) == (1.0, 10 * MS, True)
    assert not mode.signal(Instant(1000 * MS + TIMEOUT_NS + 1, 13 * MS)).valid
    assert not mode.signal(Instant(990 * MS, 5 * MS + TIMEOUT_NS + 1)).valid, "a clock set back makes nothing younger"


def test_no_bus_says_who_drives():
    with pytest.raises(ValueError, match="state: unknown signal 'driving_mode'"):
        CanMapping({}, state={"driving_mode": None})
    assert "driving_mode" in SIGNALS
