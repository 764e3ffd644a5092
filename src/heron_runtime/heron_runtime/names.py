"""ROS node names."""

from __future__ import annotations


def full_name(namespace: str, name: str) -> str:
    """`/ns/name` from a namespace with or without slashes."""
    return "/" + "/".join(part for part in (namespace.strip("/"), name) if part)


def bare_name(name: str) -> str:
    """The last part of a full name."""
    return name.rsplit("/", 1)[-1]
