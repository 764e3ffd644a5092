"""The ROS 2 installation that the shell has sourced, if any."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

INDEX = Path("share", "ament_index", "resource_index", "packages")


@dataclass(frozen=True)
class Underlay:
    """A sourced ROS 2: its distribution and its prefixes, first found first."""

    distro: str
    prefixes: tuple[str, ...]

    def has(self, package: str) -> bool:
        """Whether `package` is installed in one of the prefixes."""
        return any((Path(prefix) / INDEX / package).exists() for prefix in self.prefixes)


def find_underlay(environ: Mapping[str, str], root: Path) -> Underlay | None:
    """The sourced ROS 2 with rclpy in it, less this repository's own install folder; None where ROS is not sourced."""
    own = (str(root / "install"), str(root / ".venv"))
    listed = environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    prefixes = tuple(p for p in listed if p and not p.startswith(own))
    underlay = Underlay(environ.get("ROS_DISTRO", ""), prefixes)
    return underlay if underlay.distro and underlay.has("rclpy") else None
