"""The environment of a gateway's process: a DDS domain and profile of its own, and an enclave where the link is to be secured."""

from __future__ import annotations

import os
from pathlib import Path

from heron_core.errors import ConfigError
from heron_runtime.security import Demand, check_enclave, demanded, try_middleware

ENCLAVES = {"vehicle": "/heron/link/vehicle", "server": "/heron/link/server"}
"""Of each side, as config/security/link.policy.xml has them."""


def gateway_environment(side: str, domain: int, dds: Path | None, keystore: Path | None) -> dict[str, str]:
    """The variables of the gateway on one side of the link.

    Args:
        side: `vehicle` or `server`.
        domain: DDS domain of the link.
        dds: Fast DDS profile; None: as it is in the environment.
        keystore: the link's, of SROS2; None: that of the environment, if it asks for security.

    Raises:
        ConfigError: no such domain or profile; or security is asked for, and the keystore or the middleware does not have it: nothing may start open.
    """
    if not 0 <= domain <= 101:  # above, the ports of Fast DDS meet the kernel's ephemeral ones
        raise ConfigError(f"domain {domain} of the link, allowed 0 .. 101")
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    if dds is not None:
        if not dds.is_file():
            raise ConfigError(f"{dds}: no such Fast DDS profile")
        environment |= {"FASTRTPS_DEFAULT_PROFILES_FILE": str(dds), "FASTDDS_DEFAULT_PROFILES_FILE": str(dds)}
    by = f"remote.keystore {keystore}"
    demand = demanded(os.environ) if keystore is None else Demand(keystore, by, "take remote.keystore out of the link's parameters")
    if demand is not None:
        check_enclave(demand, ENCLAVES[side], domain)
        try_middleware(demand, ENCLAVES[side], environment)
        environment |= demand.variables(ENCLAVES[side])
    return environment
