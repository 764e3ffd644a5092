"""Plans, instructions, explanations, control status, events and the clock ↔ ROS messages."""

from __future__ import annotations

import array

import numpy as np
from heron_msgs.msg import ControlStatus as RosControlStatus
from heron_msgs.msg import Event as RosEvent
from heron_msgs.msg import Explanation as RosExplanation
from heron_msgs.msg import Instruction as RosInstruction
from heron_msgs.msg import Trajectory as RosTrajectory
from rosgraph_msgs.msg import Clock

from heron_core.arrays import read_only
from heron_core.signals import ControlStatus, Engagement, Event, Explanation, Instruction, Ladder
from heron_core.trajectory import Trajectory
from heron_runtime.convert.stamps import from_stage_times, header, to_ns, to_stage_times, to_time

_COLUMNS = ("x", "y", "yaw", "speed")


def trajectory_to_ros(plan: Trajectory) -> RosTrajectory:
    """Plan → heron_msgs/Trajectory."""
    message = RosTrajectory(
        header=header(plan.stamp_ns, "base_link"),
        policy=plan.policy,
        sequence=plan.sequence,
        point_count=len(plan.points),
        crc=plan.crc,
        stages=to_stage_times(plan.stages),
    )
    for index, name in enumerate(_COLUMNS):
        setattr(message, name, array.array("f", plan.points[:, index].tobytes()))
    return message


def trajectory_from_ros(message: RosTrajectory, topic: str, received_ns: int) -> Trajectory:
    """heron_msgs/Trajectory → plan, CRC as sent.

    Raises:
        ValueError: columns of different length, or another number of points than the message says (a truncated sample).
    """
    columns = [np.frombuffer(getattr(message, name), dtype=np.float32) for name in _COLUMNS]
    lengths = {len(column) for column in columns}
    if lengths != {message.point_count}:
        raise ValueError(f"plan {message.sequence} says {message.point_count} points, its columns hold {sorted(lengths)}")
    points = read_only(np.stack(columns, axis=1))
    stages = from_stage_times(message.stages)
    return Trajectory(to_ns(message.header.stamp), points, message.sequence, message.policy, message.crc, stages)


def instruction_to_ros(instruction: Instruction) -> RosInstruction:
    """Instruction → heron_msgs/Instruction."""
    return RosInstruction(header=header(instruction.stamp_ns, ""), manoeuvre=instruction.manoeuvre, text=instruction.text)


def instruction_from_ros(message: RosInstruction, topic: str, received_ns: int) -> Instruction:
    """heron_msgs/Instruction → instruction."""
    return Instruction(to_ns(message.header.stamp), message.manoeuvre, message.text)


def explanation_to_ros(explanation: Explanation) -> RosExplanation:
    """Explanation → heron_msgs/Explanation."""
    return RosExplanation(
        header=header(explanation.stamp_ns, ""), reason=explanation.reason, english=explanation.english, japanese=explanation.japanese
    )


def explanation_from_ros(message: RosExplanation, topic: str, received_ns: int) -> Explanation:
    """heron_msgs/Explanation → explanation."""
    return Explanation(to_ns(message.header.stamp), message.reason, message.english, message.japanese)


def control_status_to_ros(status: ControlStatus) -> RosControlStatus:
    """Control status → heron_msgs/ControlStatus."""
    return RosControlStatus(
        header=header(status.stamp_ns, "base_link"),
        engagement=status.engagement.value,
        reason=status.reason,
        plan_valid=status.plan_valid,
        plan_age_ns=status.plan_age_ns,
        steer_rad=status.steer_rad,
        accel_mps2=status.accel_mps2,
        gate_limited=status.gate_limited,
        gate_rejected=status.gate_rejected,
        stages=to_stage_times(status.stages),
        ladder=status.ladder.value,
        steer_request=status.steer_request,
        accel_request=status.accel_request,
        gate_alarm=status.gate_alarm,
        cross_track_m=status.cross_track_m,
        heading_error_rad=status.heading_error_rad,
    )


def control_status_from_ros(message: RosControlStatus, topic: str, received_ns: int) -> ControlStatus:
    """heron_msgs/ControlStatus → control status."""
    return ControlStatus(
        stamp_ns=to_ns(message.header.stamp),
        engagement=Engagement(message.engagement),
        reason=message.reason,
        plan_valid=message.plan_valid,
        plan_age_ns=message.plan_age_ns,
        steer_rad=message.steer_rad,
        accel_mps2=message.accel_mps2,
        gate_limited=message.gate_limited,
        gate_rejected=message.gate_rejected,
        stages=from_stage_times(message.stages),
        ladder=Ladder(message.ladder),
        steer_request=message.steer_request,
        accel_request=message.accel_request,
        gate_alarm=message.gate_alarm,
        cross_track_m=message.cross_track_m,
        heading_error_rad=message.heading_error_rad,
    )


def event_to_ros(event: Event) -> RosEvent:
    """Event → heron_msgs/Event."""
    return RosEvent(header=header(event.stamp_ns, ""), kind=event.kind, source=event.source, text=event.text, cause=event.cause)


def event_from_ros(message: RosEvent, topic: str, received_ns: int) -> Event:
    """heron_msgs/Event → event."""
    return Event(to_ns(message.header.stamp), message.kind, message.source, message.text, message.cause)


def clock_to_ros(now_ns: int) -> Clock:
    """Nanoseconds → rosgraph_msgs/Clock."""
    return Clock(clock=to_time(now_ns))


def clock_from_ros(message: Clock, topic: str, received_ns: int) -> int:
    """rosgraph_msgs/Clock → nanoseconds."""
    return to_ns(message.clock)
