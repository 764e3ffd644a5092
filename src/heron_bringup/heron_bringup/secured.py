"""Before a run: where DDS security was asked for, it is there, or nothing starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from heron_core.errors import InputError
from heron_remote.config import RemotePolicyConfig, ServerConfig
from heron_remote.gateway.environment import gateway_environment
from heron_runtime.launch_reader import Process
from heron_runtime.params import config_from_parameters, split_runtime
from heron_runtime.security import ENABLE, demanded, refuse_open

_LINKED: dict[str, tuple[type[RemotePolicyConfig | ServerConfig], str]] = {
    "heron_remote::RemotePolicyNode": (RemotePolicyConfig, "vehicle"),
    "heron_remote::PolicyServerNode": (ServerConfig, "server"),
}
"""Components with a gateway: their parameters, and their side of the link."""


def check_graph(processes: Sequence[Process], environment: Mapping[str, str]) -> None:
    """Raises where a process of the graph, or a gateway of its components, would start open though security is asked for.

    Raises:
        ConfigError: what, where, and the remedy.
    """
    refuse_open(processes, environment)
    check_link(processes)


def check_lockstep(processes: Sequence[Process]) -> None:
    """The same for a run on simulated time, which has no enclaves: only its gateway can be secured.

    Raises:
        InputError: the environment asks for more. ConfigError: what the link asks for is not there.
    """
    if demanded(os.environ) is not None:
        raise InputError(f"{ENABLE}=true is for the processes of the car; a run on simulated time is one process that nobody hears: unset it here")
    check_link(processes)


def check_link(processes: Sequence[Process]) -> None:
    """The same for the gateways alone.

    Raises:
        ConfigError: what, where, and the remedy.
    """
    for component in (component for process in processes for component in process.components):
        if component.plugin in _LINKED:
            kind, side = _LINKED[component.plugin]
            remote = config_from_parameters(kind, split_runtime(component.params)[1], component.name).remote
            gateway_environment(side, remote.domain, remote.dds_path, remote.keystore_path)
