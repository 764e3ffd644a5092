"""rosbag2's metadata.yaml, version 9 (Jazzy)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


def metadata_yaml(file: str, start_ns: int, end_ns: int, topics: Sequence[tuple[str, str, int, bool, str]]) -> str:
    """The text for a recording of one mcap file; `topics`: (name, type, messages, latched, type hash)."""
    count = sum(topic[2] for topic in topics)
    duration = {"nanoseconds": end_ns - start_ns}
    start = {"nanoseconds_since_epoch": start_ns}
    information = {
        "version": 9,
        "storage_identifier": "mcap",
        "duration": duration,
        "starting_time": start,
        "message_count": count,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": name,
                    "type": ros_type,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": [_qos(latched)],
                    "type_description_hash": type_hash,
                },
                "message_count": messages,
            }
            for name, ros_type, messages, latched, type_hash in topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "relative_file_paths": [file],
        "files": [{"path": file, "starting_time": dict(start), "duration": dict(duration), "message_count": count}],
        "custom_data": None,
        "ros_distro": "jazzy",
    }
    return yaml.safe_dump({"rosbag2_bagfile_information": information}, sort_keys=False)


def qos_yaml(latched: bool) -> str:
    """The QoS that a topic was offered with, as mcap channels carry it; `latched`: transient local, one message kept."""
    return yaml.safe_dump([_qos(latched)], sort_keys=False)


def _qos(latched: bool) -> dict[str, Any]:
    forever = {"sec": 9223372036, "nsec": 854775807}
    return {
        "history": "keep_last",
        "depth": 1 if latched else 10,
        "reliability": "reliable",
        "durability": "transient_local" if latched else "volatile",
        "deadline": dict(forever),
        "lifespan": dict(forever),
        "liveliness": "automatic",
        "liveliness_lease_duration": dict(forever),
        "avoid_ros_namespace_conventions": False,
    }
