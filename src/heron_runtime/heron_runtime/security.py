"""DDS security (SROS2): whether somebody asked for it, and whether it is to be had here. Who asked for it is not started open.

ROS 2 alone is lenient: whatever is not spelled `ROS_SECURITY_ENABLE=true` secures nothing, `ROS_SECURITY_STRATEGY` other than `Enforce` starts open
where the keystore lacks something, and neither says so. Where it does refuse, it shows a traceback of its C library. Here the same variables are
taken at their word, and what is missing is said in one sentence.

How a keystore is made: config/security/README.md. What stands in it: `rmw_dds_common`'s security files and sros2's `create_enclave`.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

from heron_core.errors import ConfigError
from heron_runtime.domain import VARIABLE as DOMAIN
from heron_runtime.launch_reader import Process

ENABLE, STRATEGY, KEYSTORE, OVERRIDE = (f"ROS_SECURITY_{name}" for name in ("ENABLE", "STRATEGY", "KEYSTORE", "ENCLAVE_OVERRIDE"))
MANUAL = "config/security/README.md says how"
UNSET = f"unset {ENABLE}"
OPEN = f"or to run open on purpose, {UNSET}"
PROBE = [sys.executable, "-m", __name__]
"""Command that tries to be a node; it ends well where it could."""
PROBE_S = 30.0
"""Until a middleware that does not answer is given up."""
_FILES = ("identity_ca.cert", "cert", "key", "permissions_ca.cert")
"""In an enclave, each as .pem, or as .p11 where a token holds it."""
_SIGNED = ("governance.p7s", "permissions.p7s")


@dataclass(frozen=True)
class Demand:
    """DDS security, as it was asked for.

    Attributes:
        keystore: folder that `ros2 security create_keystore` made.
        by: what asked for it, for errors: `ROS_SECURITY_ENABLE=true`, or a parameter.
        undo: how nobody asks for it any more.
    """

    keystore: Path
    by: str
    undo: str = UNSET

    def variables(self, enclave: str) -> dict[str, str]:
        """Of the environment of a process that has this enclave, whatever its arguments say."""
        return {ENABLE: "true", STRATEGY: "Enforce", KEYSTORE: str(self.keystore), OVERRIDE: enclave}


def demanded(environment: Mapping[str, str], by: str = "") -> Demand | None:
    """What the environment asks for; None: it asks for nothing.

    Args:
        environment: with ROS 2's variables.
        by: what demands that the environment asks for it; empty: nothing does.

    Raises:
        ConfigError: half of it is set, so that ROS 2 would start open; or nothing is, and `by` demands it.
    """
    enable, strategy, keystore = (environment.get(name, "") for name in (ENABLE, STRATEGY, KEYSTORE))
    wanted = f"export {ENABLE}=true {STRATEGY}=Enforce {KEYSTORE}=FOLDER ({MANUAL})"
    if enable in ("", "false"):
        if by:
            raise ConfigError(f"{by} demands DDS security, and {ENABLE} is {enable or 'not set'}: {wanted}, or take it out to run open")
        if strategy == "Enforce" and not enable:
            raise ConfigError(f"{STRATEGY}=Enforce secures nothing without {ENABLE}=true: {wanted}, or unset {STRATEGY} to run open on purpose")
        return None
    if enable != "true":
        raise ConfigError(f"{ENABLE}={enable} secures nothing, ROS 2 knows only `true`: {wanted}, {OPEN}")
    if strategy != "Enforce":
        raise ConfigError(
            f"{STRATEGY} is {strategy or 'not set'}, with which ROS 2 starts open where security is missing, though {ENABLE}=true asks for it: "
            f"export {STRATEGY}=Enforce, {OPEN}"
        )
    if not keystore:
        raise ConfigError(f"{ENABLE}=true without {KEYSTORE}: export {KEYSTORE}=FOLDER ({MANUAL}), {OPEN}")
    return Demand(Path(keystore), by or f"{ENABLE}=true")


def enclave_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The enclave that rcl gives a process: that of the environment, else `--enclave` among its ROS arguments, else the root."""
    named = [value for name, value in pairwise(arguments) if name in ("--enclave", "-e")]
    return environment.get(OVERRIDE) or (named[-1] if named else "/")


def domain_of(environment: Mapping[str, str]) -> int:
    """The DDS domain of a process with this environment."""
    return int(environment.get(DOMAIN) or 0)


def check_enclave(demand: Demand, enclave: str, domain: int, today: datetime | None = None) -> None:
    """Raises unless the keystore has all that a process needs, and its private keys are nobody else's.

    Args:
        demand: names the keystore.
        enclave: such as `/heron/perception`.
        domain: DDS domain of the process.
        today: by which expiry is judged; None: now.

    Raises:
        ConfigError: what, where, and the remedy.
    """
    try:
        _check_files(demand, enclave)
        for name in _SIGNED:
            _check_signed(demand, _folder(demand, enclave) / name, domain, today or datetime.now(timezone.utc))
    except OSError as error:
        raise ConfigError(f"{demand.by}: {error.filename}: cannot be read: {error.strerror}") from error


def try_middleware(demand: Demand, enclave: str, environment: Mapping[str, str]) -> None:
    """Raises unless a process with this enclave can be; tried in one, for a moment, that finds nobody and nobody finds.

    Raises:
        ConfigError: with what the middleware says.
    """
    given = {**environment, **demand.variables(enclave), "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}
    try:
        ended = subprocess.run(PROBE, env=given, capture_output=True, text=True, errors="replace", timeout=PROBE_S)
    except subprocess.TimeoutExpired:
        raise _refusal(demand, enclave, f"no answer in {PROBE_S:.0f} s") from None
    if ended.returncode:
        raise _refusal(demand, enclave, ended.stdout.strip() or ended.stderr.strip()[-200:])


def refuse_open(processes: Sequence[Process], environment: Mapping[str, str]) -> None:
    """Raises where a process of the graph would start open though the environment or its parameter `secure` asks for security; starts none.

    Raises:
        ConfigError: what, where, and the remedy.
    """
    demand: Demand | None = None
    for process in processes:
        given = {**environment, **process.env}
        by = f"parameter secure of /{process.name}" if process.params.get("secure") else ""
        first, demand = demand is None, demanded(given, by)
        if demand is not None:
            enclave = enclave_of(process.arguments, given)
            check_enclave(demand, enclave, domain_of(given))
            if first:
                try_middleware(demand, enclave, given)


@contextmanager
def secured(environment: Mapping[str, str], arguments: Sequence[str]) -> Iterator[None]:
    """Around the making of this process's first node: what the middleware refuses there is said as the rest is.

    Raises:
        ConfigError: what, where, and the remedy.
    """
    demand, enclave = demanded(environment), enclave_of(arguments, environment)
    if demand is not None:
        check_enclave(demand, enclave, domain_of(environment))
    try:
        yield
    except RuntimeError as error:  # rclpy's own is one
        if demand is None:
            raise
        raise _refusal(demand, enclave, str(error)) from error


def _refusal(demand: Demand, enclave: str, text: str) -> ConfigError:
    said = " ".join(re.sub(r", at /\S+:\d+", "", text).split())
    return ConfigError(
        f"{demand.by}: the middleware here cannot keep it, with {demand.keystore} and enclave {enclave}: {said}; "
        f"take a full ROS 2 installation, whose packages have DDS security, or to run open on purpose, {demand.undo}"
    )


def _folder(demand: Demand, enclave: str) -> Path:
    return demand.keystore / "enclaves" / enclave.lstrip("/")


def _check_files(demand: Demand, enclave: str) -> None:
    folder = _folder(demand, enclave)
    if not demand.keystore.is_dir():
        raise ConfigError(f"{demand.by}: {demand.keystore} is no keystore: ros2 security create_keystore {demand.keystore} ({MANUAL})")
    if not folder.is_dir():
        raise ConfigError(f"{demand.by}: {demand.keystore} has no enclave {enclave}: make it from its policy file ({MANUAL})")
    pairs = [[folder / f"{name}{ending}" for ending in (".pem", ".p11")] for name in _FILES]
    for alternatives in (*pairs, *([folder / name] for name in _SIGNED)):
        if not any(path.is_file() for path in alternatives):
            raise ConfigError(f"{demand.by}: {alternatives[0]} is missing: make the enclave {enclave} from its policy file ({MANUAL})")
    for key in (folder / "key.pem", *sorted((demand.keystore / "private").glob("*.pem"))):
        _check_private(demand, key)


def _check_private(demand: Demand, key: Path) -> None:
    if key.is_file() and (mode := stat.S_IMODE(key.stat().st_mode)) & 0o077:
        raise ConfigError(f"{demand.by}: {key}: mode {mode:04o} shows a private key to other users: chmod -R go-rwx {demand.keystore}")


def _check_signed(demand: Demand, path: Path, domain: int, today: datetime) -> None:
    """What a signed file says in clear text; the signature is the middleware's business."""
    text = path.read_text(encoding="utf-8", errors="replace")
    ranges = [(int(number), int(number)) for number in re.findall(r"<id>\s*(\d+)\s*</id>", text)]
    ranges += [(int(low), int(high or 232)) for low, high in re.findall(r"<min>\s*(\d+)\s*</min>(?:\s*<max>\s*(\d+)\s*</max>)?", text)]
    if ranges and not any(low <= domain <= high for low, high in ranges):
        for_them = ", ".join(sorted({str(low) if low == high else f"{low} .. {high}" for low, high in ranges}))
        remedy = f"run it there, or make the keystore with {DOMAIN}={domain} ({MANUAL})"
        raise ConfigError(f"{demand.by}: {path} is for DDS domain {for_them}, and the process is to run on {domain}: {remedy}")
    for day in re.findall(r"<not_after>\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", text):
        if datetime.fromisoformat(day).replace(tzinfo=timezone.utc) < today:
            raise ConfigError(f"{demand.by}: {path} has expired on {day[:10]}: make the enclave anew ({MANUAL})")


def main() -> None:
    """A node as the environment has it; the exit code tells whether it could be, the output why not."""
    import rclpy
    from rclpy.parameter import Parameter

    quiet = [Parameter("start_type_description_service", value=False)]
    try:
        rclpy.init(args=[])
        rclpy.create_node("heron_security_check", enable_rosout=False, start_parameter_services=False, parameter_overrides=quiet)
    except Exception as error:
        print(error, flush=True)
        os._exit(1)
    os._exit(0)  # a destructor that fails would look like a refusal


if __name__ == "__main__":
    main()
