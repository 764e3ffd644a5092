"""What the expert says about its driving, in English and Japanese: ground truth for language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from heron_sim.roads.network import Manoeuvre


class Reason(str, Enum):
    """Why the car drives as it does: the one thing that decides its speed or its place now."""

    CRUISE = "cruise"
    START = "start"
    CURVE = "curve"
    TURN = "turn"
    SLOW_RED = "slow_red"
    WAIT_RED = "wait_red"
    SLOW_YELLOW = "slow_yellow"
    PASS_YELLOW = "pass_yellow"
    START_GREEN = "start_green"
    GIVE_WAY = "give_way"
    WAIT_GAP = "wait_gap"
    START_GAP = "start_gap"
    WAIT_EXIT = "wait_exit"
    SLOW_PEDESTRIAN = "slow_pedestrian"
    WAIT_PEDESTRIAN = "wait_pedestrian"
    START_PEDESTRIAN = "start_pedestrian"
    FOLLOW_CAR = "follow_car"
    WAIT_CAR = "wait_car"
    START_CAR = "start_car"
    FOLLOW_CYCLIST = "follow_cyclist"
    PASS_CYCLIST = "pass_cyclist"
    PASS_OBSTACLE = "pass_obstacle"
    STOP_OBSTACLE = "stop_obstacle"
    CUT_IN = "cut_in"
    SLOW_GUIDE = "slow_guide"
    WAIT_GUIDE = "wait_guide"
    PASS_WORK = "pass_work"
    BRAKE_HARD = "brake_hard"
    SLOW_END = "slow_end"
    WAIT_END = "wait_end"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the car does and why.

    Attributes:
        reason: for programs.
        english, japanese: for people.
    """

    reason: Reason
    english: str
    japanese: str


# Plain sentences: English, Japanese.
PHRASES: dict[Reason, tuple[str, str]] = {
    Reason.CRUISE: ("following the road", "道なりに走行しています"),
    Reason.START: ("starting", "発進します"),
    Reason.CURVE: ("slowing for the curve", "カーブの手前なので減速します"),
    Reason.TURN: ("crossing the junction", "交差点を通過しています"),
    Reason.SLOW_RED: ("slowing for the red light", "赤信号なので減速します"),
    Reason.WAIT_RED: ("waiting for the red light to change", "赤信号で停止しています"),
    Reason.SLOW_YELLOW: ("stopping: the light has turned yellow", "黄信号に変わったので停止します"),
    Reason.PASS_YELLOW: ("going on: too close to stop for the yellow light", "黄信号ですが、安全に止まれないため通過します"),
    Reason.START_GREEN: ("starting: the light is green", "青信号になったので発進します"),
    Reason.GIVE_WAY: ("slowing to give way at the junction", "交差点で優先車両に道を譲るため減速します"),
    Reason.WAIT_GAP: ("waiting for a gap in the traffic", "優先車両が通り過ぎるのを待っています"),
    Reason.START_GAP: ("going: the way is clear", "安全を確認したので進みます"),
    Reason.WAIT_EXIT: ("waiting: there is no room behind the junction", "交差点の先が詰まっているため手前で待っています"),
    Reason.SLOW_PEDESTRIAN: ("slowing for the pedestrian", "歩行者がいるので減速します"),
    Reason.WAIT_PEDESTRIAN: ("giving way to the pedestrian", "歩行者に道を譲っています"),
    Reason.START_PEDESTRIAN: ("starting: the pedestrian has crossed", "歩行者が渡り終えたので発進します"),
    Reason.FOLLOW_CAR: ("following the car ahead", "前の車に続いて走行しています"),
    Reason.WAIT_CAR: ("standing behind the car ahead", "前の車が止まっているので待っています"),
    Reason.START_CAR: ("starting: the car ahead moves off", "前の車が動き出したので発進します"),
    Reason.FOLLOW_CYCLIST: ("keeping behind the cyclist", "自転車の後ろを走行しています"),
    Reason.PASS_CYCLIST: ("passing the cyclist with room to spare", "間隔をあけて自転車を追い越します"),
    Reason.PASS_OBSTACLE: ("passing the obstacle with room to spare", "間隔をあけて障害物の横を通ります"),
    Reason.STOP_OBSTACLE: ("stopping: the lane is blocked", "車線がふさがっているため停止します"),
    Reason.CUT_IN: ("making room for the car that cuts in", "割り込んできた車のために車間をあけます"),
    Reason.SLOW_GUIDE: ("stopping for the traffic guide", "交通誘導員の合図で停止します"),
    Reason.WAIT_GUIDE: ("waiting for the traffic guide's signal", "交通誘導員の合図を待っています"),
    Reason.PASS_WORK: ("passing the work zone as the guide signals", "誘導員の合図に従って工事区間を通過します"),
    Reason.BRAKE_HARD: ("braking hard to avoid a collision", "衝突を避けるため急ブレーキをかけます"),
    Reason.SLOW_END: ("slowing: the destination is near", "目的地が近いので減速します"),
    Reason.WAIT_END: ("standing at the destination", "目的地に到着しました"),
}

# In front of a sentence while the car turns.
TURNING: dict[Manoeuvre, tuple[str, str]] = {
    Manoeuvre.LEFT: ("turning left", "左折"),
    Manoeuvre.RIGHT: ("turning right", "右折"),
}
ALONE: dict[Manoeuvre, tuple[str, str]] = {
    Manoeuvre.LEFT: ("turning left", "左折します"),
    Manoeuvre.RIGHT: ("turning right", "右折します"),
    Manoeuvre.STRAIGHT: ("going straight through the junction", "交差点を直進します"),
    Manoeuvre.FOLLOW: PHRASES[Reason.TURN],
}
# Reasons that are told together with the turn that they interrupt.
WITH_TURN = frozenset({Reason.WAIT_GAP, Reason.SLOW_PEDESTRIAN, Reason.WAIT_PEDESTRIAN, Reason.GIVE_WAY, Reason.START_GAP, Reason.START_PEDESTRIAN})


def explain(reason: Reason, turn: Manoeuvre = Manoeuvre.FOLLOW) -> Explanation:
    """The sentences for a reason.

    Args:
        reason: that decides.
        turn: manoeuvre of the junction that the car is in or just before; FOLLOW: none.
    """
    english, japanese = PHRASES[reason]
    if reason is Reason.TURN:
        english, japanese = ALONE[turn]
    elif reason in WITH_TURN and turn in TURNING:
        before = TURNING[turn]
        english, japanese = f"{before[0]}, {english}", f"{before[1]}します。{japanese}"
    return Explanation(reason, english, japanese)
