"""Stage times: when the data behind a message passed each stage from photon to CAN frame."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Stages:
    """Times in int64 nanoseconds on the one clock; 0 where a stage was not passed.

    The order of the fields is the order of the pipeline.
    """

    exposure_ns: int = 0
    received_ns: int = 0
    frames_complete_ns: int = 0
    preprocessed_ns: int = 0
    inference_start_ns: int = 0
    inference_end_ns: int = 0
    control_ns: int = 0
    can_written_ns: int = 0

    def mark(self, **times_ns: int) -> Stages:
        """A copy in which the named stages have the given times."""
        return replace(self, **times_ns)

    def durations_ms(self) -> dict[str, float]:
        """Milliseconds from each passed stage to the next passed one, and exposure to CAN, by name.

        Names: capture (exposure → received), sync, preprocess, queue (preprocessed → inference start), inference, transport (inference
        end → control), control (→ CAN written), exposure_to_plan, exposure_to_can.
        """
        found = {
            name: (getattr(self, end) - getattr(self, start)) / 1e6 for name, start, end in _DURATIONS if getattr(self, start) and getattr(self, end)
        }
        return found


_DURATIONS = (
    ("capture", "exposure_ns", "received_ns"),
    ("sync", "received_ns", "frames_complete_ns"),
    ("preprocess", "frames_complete_ns", "preprocessed_ns"),
    ("queue", "preprocessed_ns", "inference_start_ns"),
    ("inference", "inference_start_ns", "inference_end_ns"),
    ("transport", "inference_end_ns", "control_ns"),
    ("control", "control_ns", "can_written_ns"),
    ("exposure_to_plan", "exposure_ns", "inference_end_ns"),
    ("exposure_to_can", "exposure_ns", "can_written_ns"),
)

STAGE_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Stages))
DURATION_NAMES: tuple[str, ...] = tuple(name for name, _, _ in _DURATIONS)
