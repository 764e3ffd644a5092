"""Whether the clock of a recording ran evenly, from a few of its images: stamps that jump would put poses and boxes where the car was not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from heron_bag.native import camera_frames
from heron_bag.reader import Bag
from heron_jadd.quarantine import UnusableError

S = 1e9
SAMPLED_S = 5.0  # an image so often tells how far its stamp lies from its log time
JUMP_S = 0.5  # stamps that leave the log by more, from one image to the next; no period of a camera is as long
SILENT_S = 60.0  # over which no topic says anything; scenes would be planned into the years between 1970 and now
REMEDY = "cut it there and give the parts (./heron bag cut), or leave it out"


def check_clock(bag: Bag, topic: str) -> None:
    """Looks for jumps of a camera's stamps against the log, and for silence of the whole recording.

    A jump that is taken back within `SAMPLED_S` may go unseen here: scenes count its images as out of order. So does one that stamps and log times
    make together, backwards: a recording is read in the order of its log times.

    Args:
        bag: the recording, open.
        topic: of the reference camera.

    Raises:
        UnusableError: there is one; the text says when, and how far.
    """
    logged = bag.log_times(topic)
    _check_silence(bag, logged)
    lags = _Lags(bag, topic, logged)
    at, step = 0, max(round(SAMPLED_S / _period_s(logged)), 1)
    while at < len(logged) - 1:
        following = min(at + step, len(logged) - 1)
        found = lags.jump(at, following)
        if found is not None:
            after_s, jump_s = found
            raise UnusableError(f"{bag.path}: the stamps of {topic} jump by {jump_s:+.3f} s, {after_s:.1f} s after its beginning", REMEDY)
        at = following


def _period_s(logged: NDArray[np.int64]) -> float:
    return max(float(np.median(np.diff(logged))) / S, 1e-3) if len(logged) > 1 else 1.0


def _check_silence(bag: Bag, logged: NDArray[np.int64]) -> None:
    for at in np.flatnonzero(np.diff(logged) > SILENT_S * S).tolist():
        begin, end = int(logged[at]), int(logged[at + 1])
        if not any(_between(bag.log_times(topic), begin, end) for topic, info in bag.topics.items() if info.count):
            lasts, after = (end - begin) / S, (begin - bag.start_ns) / S
            raise UnusableError(f"{bag.path}: nothing is recorded for {lasts:,.0f} s, {after:.1f} s after its beginning: its clock jumps", REMEDY)


def _between(times: NDArray[np.int64], begin: int, end: int) -> bool:
    """Whether one lies inside, a second from both ends: other topics do not begin and end at the same moment."""
    return bool(((times > begin + S) & (times < end - S)).any())


class _Lags:
    """How far stamps lie behind log times, of the images that are asked for."""

    def __init__(self, bag: Bag, topic: str, logged: NDArray[np.int64]) -> None:
        self._bag, self._topic, self._logged = bag, topic, logged
        self._stamps: dict[int, int | None] = {}

    def jump(self, low: int, high: int) -> tuple[float, float] | None:
        """(seconds after the beginning, by how much) of a jump between two images; None: their lags do not differ, or images only came late."""
        if not self._differ(low, high):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            if self._stamp(middle) is None:  # in a corrupt chunk
                return None
            low, high = (low, middle) if self._differ(low, middle) else (middle, high)
        before, after = self._stamp(low), self._stamp(high)
        assert before is not None
        assert after is not None
        logged, stepped = int(self._logged[high] - self._logged[low]), after - before
        if stepped >= 0 and stepped - logged <= JUMP_S * S:  # the log waited for the disk, the camera's clock went on as ever
            return None
        return float(self._logged[high] - self._bag.start_ns) / S, (stepped - logged) / S

    def _differ(self, low: int, high: int) -> bool:
        one, other = self._stamp(low), self._stamp(high)
        if one is None or other is None:
            return False
        return abs((other - one) - int(self._logged[high] - self._logged[low])) > JUMP_S * S

    def _stamp(self, index: int) -> int | None:
        if index not in self._stamps:
            at = int(self._logged[index])
            self._stamps[index] = next((frame.stamp_ns for _, frame in camera_frames(self._bag, [self._topic], at, at + 1)), None)
        return self._stamps[index]
