"""The floor that every driver must beat: goes on as it goes now."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_core.truth import Truth
from heron_core.vehicle import VehicleState
from heron_vla.kinematic import constant_turn


def kinematic(truth: Truth, state: VehicleState) -> NDArray[np.float32] | None:
    """(40, 4) under constant turn rate and velocity, from what the car says of itself; None while it says nothing.

    Args:
        truth: not looked at.
        state: of the vehicle.
    """
    speed, yaw_rate = state.valid_value("speed"), state.valid_value("yaw_rate")
    return None if speed is None or yaw_rate is None else constant_turn(speed, yaw_rate).astype(np.float32)
