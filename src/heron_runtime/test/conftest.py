"""Each DDS test gets its own ROS_DOMAIN_ID."""

import os
import random

import pytest


@pytest.fixture
def domain_id() -> int:
    """A domain that no other test of this machine is likely to use at this moment."""
    return random.Random(os.urandom(8)).randrange(1, 101)
