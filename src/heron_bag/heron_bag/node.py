"""The components `Recorder` and `Player`."""

from __future__ import annotations

import signal
import time
from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock

from heron_bag.config import PlayerConfig, RecorderConfig
from heron_bag.errors import BagError
from heron_bag.player import Pace, chosen_topics, start_of, timed
from heron_bag.reader import Bag, open_bag
from heron_bag.recorder import Recorder, is_wanted
from heron_bag.serialise import CAMERA_INFO
from heron_core.errors import ConfigError
from heron_runtime.convert.stamps import to_time
from heron_runtime.node import HeronNode
from heron_runtime.topics import ros_class

_DEPTH = 200  # an image burst of seven cameras, and a hundred milliseconds of everything else
_SAY_EVERY_NS = 5_000_000_000


class RecorderNode(HeronNode):
    """Writes topics to a recording as they are on the wire; finds new ones by itself. It never stops the car: without disk it stops recording."""

    NAME = "recorder"
    Config = RecorderConfig

    def setup(self) -> None:
        """See HeronNode."""
        self._recorder = Recorder(self.config, lambda text: self.post(lambda: self._say(text)))
        self.at_end(self._progress)  # says what there is when the recording is closed
        self.at_end(self._recorder.close)
        self._seen: set[str] = set()
        self._discover()
        self.every(round(self.config.discover_s * 1e9), self._discover)
        self.every(_SAY_EVERY_NS, self._progress)

    def report(self) -> dict[str, Any]:
        """See HeronNode."""
        self._recorder.close()
        error = self._recorder.error
        return {
            "recording": self.config.out,
            "messages": self._recorder.counts,
            "dropped": self._recorder.dropped,
            "error": str(error) if error else None,
        }

    def _discover(self) -> None:
        for topic, types in self.get_topic_names_and_types():
            if topic in self._seen or not is_wanted(topic, self.config.topics, self.config.exclude):
                continue
            publishers = self.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            self._seen.add(topic)
            try:
                self._listen(topic, types[0], publishers)
            except (BagError, ImportError, AttributeError, ValueError) as error:
                self.count("topics_not_recorded")
                self.event("recording", f"{topic} ({types[0]}) is not recorded: {error}")

    def _listen(self, topic: str, ros_type: str, publishers: list[Any]) -> None:
        """Subscribes as reliably as every publisher of the topic allows, so that nothing is lost that could be had."""
        message_class = ros_class(ros_type)
        reliable = all(info.qos_profile.reliability == ReliabilityPolicy.RELIABLE for info in publishers)
        latched = all(info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for info in publishers)
        self._recorder.add_topic(topic, ros_type, latched)
        profile = QoSProfile(
            depth=_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )
        self.create_subscription(message_class, topic, lambda raw: self._take(topic, raw), profile, raw=True)

    def _take(self, topic: str, raw: bytes) -> None:
        if not self._recorder.put(topic, self.now_ns(), raw):
            self.count("messages_dropped")

    def _say(self, text: str) -> None:
        self.event("recording", text)
        if self._recorder.error and self.config.stop_process:
            signal.raise_signal(signal.SIGINT)

    def _progress(self) -> None:
        counts = self._recorder.counts
        self.get_logger().info(f"{sum(counts.values()):,} messages of {len(counts)} topics recorded, {self._recorder.dropped:,} dropped")


class PlayerNode(HeronNode):
    """Publishes a recording in real time, for tools that listen on topics; `./heron drive --bag` does not need it."""

    NAME = "player"
    Config = PlayerConfig

    def setup(self) -> None:
        """See HeronNode."""
        self._bag: Bag = open_bag(self.config.bag)
        self.at_end(self._bag.close)
        self._topics = chosen_topics(self._bag, self.config.topics)
        self._publishers_of: dict[str, Any] = {}
        if self.config.clock_hz and "/clock" in self._topics:
            self._topics.remove("/clock")  # ours is finer
        for topic in list(self._topics):
            self._offer(topic)
        self._pace = Pace(time.time_ns() + round(self.config.wait_s * 1e9), start_of(self._bag, self.config.start_s), self.config.rate)
        self._played = 0
        if self.config.clock_hz:
            self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
            self.every(round(1e9 / self.config.clock_hz), self._tick)
        self.feed(lambda: timed(self._bag, self._topics, self._pace), self._publish, self._done)

    def report(self) -> dict[str, Any]:
        """See HeronNode."""
        return {"recording": self.config.bag, "messages": self._played, "topics": self._topics, "warnings": list(self._bag.warnings)}

    def _offer(self, topic: str) -> None:
        ros_type = self._bag.topics[topic].ros_type
        latched = topic == "/tf_static" or ros_type in (CAMERA_INFO, "heron_msgs/msg/Instruction")
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        profile = QoSProfile(depth=1 if latched else _DEPTH, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        try:
            self._publishers_of[topic] = self.create_publisher(ros_class(ros_type), topic, profile)
        except (ImportError, AttributeError, ValueError, ConfigError) as error:
            self._topics.remove(topic)
            self.event("playing", f"{topic} ({ros_type}) is not played: {error}")

    def _publish(self, item: tuple[str, bytes]) -> None:
        topic, raw = item
        self._publishers_of[topic].publish(raw)
        self._played += 1

    def _tick(self) -> None:
        recorded_ns = self._pace.recorded_ns(time.time_ns())
        if self._pace.log_ns <= recorded_ns <= self._bag.end_ns:
            self._clock_publisher.publish(Clock(clock=to_time(recorded_ns)))

    def _done(self) -> None:
        self.event("playing", f"end of {self.config.bag}: {self._played:,} messages played")
        if self.config.stop_process:
            signal.raise_signal(signal.SIGINT)
