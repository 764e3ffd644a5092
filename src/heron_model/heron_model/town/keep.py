"""Which moments of a drive are worth a picture: many where something is decided, few where nothing happens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heron_core.trajectory import STEP_S
from heron_core.truth import Lamp, Truth
from heron_model.town.drive import Moment
from heron_model.town.labels import Labeller
from heron_model.town.others import OtherPlan
from heron_sim.driving.explain import Reason
from heron_sim.roads.network import Manoeuvre
from heron_sim.roads.route import Route

PART = 503
EVERY = 5  # moments of 100 ms between two candidates: the past of one is the present of another
RARE = 2  # between two that are rare: a yellow light, a choice
FIRST = 8  # moments before it have no ego history
LIGHT_M, LEAD_M = 45.0, 25.0
STANDING_MPS = 0.3
STANDING_SHARE, PLAIN_SHARE = 0.25, 0.5

STOPPING = frozenset({Lamp.YELLOW, Lamp.RED})
BEFORE = 20  # moments
SLOWS_MPS2, IN_A_SECOND = 1.0, round(1.0 / STEP_S) - 1
YIELDS = frozenset(
    {
        *(Reason.GIVE_WAY, Reason.WAIT_GAP, Reason.START_GAP, Reason.WAIT_EXIT, Reason.CUT_IN, Reason.BRAKE_HARD),
        *(Reason.SLOW_PEDESTRIAN, Reason.WAIT_PEDESTRIAN, Reason.START_PEDESTRIAN),
    }
)


def worth_a_picture(moments: Sequence[Moment], labeller: Labeller, route: Route, seed: int) -> list[int]:
    """Indices of the moments to keep, in order."""
    rng = np.random.default_rng([seed, PART])
    kept = []
    for index in range(FIRST, len(moments)):
        truth = moments[index].truth
        usual = (index - FIRST) % EVERY == 0
        if not usual and (index % RARE or _lamp(truth, labeller) is not Lamp.YELLOW):
            continue
        draw = rng.random()
        if truth.ego.speed_mps < STANDING_MPS:
            soon = moments[min(index + 10, len(moments) - 1)].truth.ego.speed_mps >= STANDING_MPS
            just = moments[max(index - 10, 0)].truth.ego.speed_mps >= STANDING_MPS
            share = 1.0 if soon or just else STANDING_SHARE
        else:
            gate, ahead = labeller.gate(truth), labeller.ahead(truth)
            busy = (gate is not None and gate[1] < LIGHT_M) or (ahead is not None and ahead.gap_m < LEAD_M)
            turning = route.turning_at(truth.ego.route_s_m, 20.0) is not Manoeuvre.FOLLOW
            share = 1.0 if busy or turning or moments[index].disturbed else PLAIN_SHARE
        if draw < share:
            kept.append(index)
    return kept


def yielding(moments: Sequence[Moment], seed: int) -> list[int]:
    """Indices of the moments, five a second, in which the expert yields or will within `BEFORE`; of those that it stands in fewer."""
    rng = np.random.default_rng([seed, PART])
    yields = [moment.plan.explanation.reason in YIELDS for moment in moments]
    kept = []
    for index in range(FIRST, len(moments)):
        standing = moments[index].truth.ego.speed_mps < STANDING_MPS
        if index % RARE == 0 and any(yields[index : index + BEFORE]) and (not standing or rng.random() < STANDING_SHARE):
            kept.append(index)
    return kept


def near_lights(moments: Sequence[Moment], labeller: Labeller, seed: int) -> list[int]:
    """Indices of the moments, five a second, with a yellow or red light near; of those that it stands in fewer."""
    rng = np.random.default_rng([seed, PART])
    kept = []
    for index in range(FIRST, len(moments)):
        truth = moments[index].truth
        standing = truth.ego.speed_mps < STANDING_MPS
        if index % RARE == 0 and _lamp(truth, labeller) in STOPPING and (not standing or rng.random() < STANDING_SHARE):
            kept.append(index)
    return kept


def braking(moments: Sequence[Moment]) -> list[int]:
    """Indices of the moments, five a second, in which the expert slows down by more than `SLOWS_MPS2` in the next second."""
    kept = []
    for index in range(FIRST, len(moments), RARE):
        slows = moments[index].truth.ego.speed_mps - float(moments[index].plan.points[IN_A_SECOND, 3])
        if slows > SLOWS_MPS2:
            kept.append(index)
    return kept


def with_a_choice(others: Sequence[Sequence[OtherPlan]]) -> list[int]:
    """Indices of the moments, five a second, at which something else could have been told; `others` of each moment of a drive."""
    return [index for index in range(FIRST, len(others)) if index % RARE == 0 and others[index]]


def _lamp(truth: Truth, labeller: Labeller) -> Lamp | None:
    """Of the light that is near, if one is."""
    gate = labeller.gate(truth)
    return truth.lamps.get(gate[0].group) if gate is not None and gate[1] < LIGHT_M and gate[0].group is not None else None
