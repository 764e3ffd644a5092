"""Names that follow from what they name: the same input gives the same tokens, on any machine and at any sampling rate."""

from __future__ import annotations

import hashlib
from typing import Any

SCHEMA = "jadd-v1"  # a new one gives everything new names


def token(kind: str, *of: str | int) -> str:
    """32 hex digits for one thing.

    Args:
        kind: table, e.g. sample_data.
        of: what it is there: identity of the recording, channel, stamp in nanoseconds, profile of the images.
    """
    return hashlib.blake2b("|".join([SCHEMA, kind, *map(str, of)]).encode(), digest_size=16).hexdigest()


def digest(what: Any) -> str:
    """16 hex digits for the parameters of something, of their `repr`."""
    return hashlib.blake2b(f"{SCHEMA}|{what!r}".encode(), digest_size=8).hexdigest()
