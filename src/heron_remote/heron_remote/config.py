"""Settings of both ends of the link: the only home of their defaults."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from heron_core.errors import ConfigError
from heron_remote.pictures import LOSSLESS
from heron_remote.simulated_link import SimulatedLinkConfig
from heron_remote.stand_in import FallbackConfig
from heron_vla.backends import PROVIDERS, Choice
from heron_vla.config import PolicyConfig

KEYS = "~/.config/heron/remote.keys"
DOMAIN = 77
"""Of the link alone: no topic of the car is on it."""


@dataclass(frozen=True)
class LinkConfig:
    """What both ends must agree on, and where they find it.

    Attributes:
        keys: key file, the same on both hosts; see `keys`.
        domain: DDS domain of the link, not the vehicle's own.
        dds: Fast DDS profile of the gateway's process; empty: as it is in the environment.
        keystore: of SROS2, for the link's domain: DDS security is on, or nothing starts; empty: as the environment says.
    """

    keys: str = KEYS
    domain: int = DOMAIN
    dds: str = ""
    keystore: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.domain <= 101:
            raise ValueError(f"domain = {self.domain}, allowed 0 .. 101")

    @property
    def key_path(self) -> Path:
        """Of the key file.

        Raises:
            ConfigError: there is no home folder that the path could lie in.
        """
        try:
            return Path(self.keys).expanduser()
        except RuntimeError as error:
            raise ConfigError(f"remote.keys {self.keys}: {error}; give an absolute path") from error

    @property
    def dds_path(self) -> Path | None:
        """Of the Fast DDS profile."""
        return Path(self.dds).expanduser() if self.dds else None

    @property
    def keystore_path(self) -> Path | None:
        """Of the link's keystore."""
        return Path(self.keystore).expanduser() if self.keystore else None


@dataclass(frozen=True)
class RemoteConfig(LinkConfig):
    """The vehicle's end.

    Attributes:
        quality: of the pictures' JPEG, 1 .. 100; 0: lossless, and the plans are those that the policy would make here. The best, where it adapts.
        adaptive: in real time the quality follows the link; on simulated time it never does.
        in_flight: requests that may be on their way at a time. More than one keep the rate where the way takes longer than a period; as many as
            fit into the deadline keep a cut from holding up what is sent after it.
        simulated: a bad link, for runs on simulated time; on the car the link is as bad as it is.
        fallback: a policy on board, which plans while the server does not.
        connect_s: so long a run in lock-step waits for the server before it begins.
        answer_s: so long a run in lock-step waits for an answer before it counts as lost; in real time the deadline of the plan decides.
        accept: digests of policies that may drive beside that of the vehicle's own folder. None: another one's answers are refused.
    """

    quality: int = LOSSLESS
    adaptive: bool = True
    in_flight: int = 6
    simulated: SimulatedLinkConfig = field(default_factory=SimulatedLinkConfig)
    fallback: FallbackConfig = field(default_factory=FallbackConfig)
    connect_s: float = 20.0
    answer_s: float = 20.0
    accept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for digest in self.accept:
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"accept = {digest!r}, expected the 64 hexadecimal digits of a policy's digest (./heron model push says them)")
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality = {self.quality}, allowed 0 (lossless) and 1 .. 100")
        if not 1 <= self.in_flight <= 16:
            raise ValueError(f"in_flight = {self.in_flight}, allowed 1 .. 16")
        for name in ("connect_s", "answer_s"):
            if not 0.1 <= getattr(self, name) <= 600.0:
                raise ValueError(f"{name} = {getattr(self, name)}, allowed 0.1 .. 600")


@dataclass(frozen=True)
class RemotePolicyConfig(PolicyConfig):
    """Parameters of the component on the vehicle: those of a policy there; `backend`, `providers`, `threads` and `warm_up` are of the fallback here.

    Attributes:
        remote: the link.
    """

    remote: RemoteConfig = field(default_factory=RemoteConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        fallback = self.remote.fallback
        if fallback.policy and fallback.patience_ms >= self.deadline_ms:
            limit = f"allowed below deadline_ms ({self.deadline_ms}), after which a plan is of no use"
            raise ValueError(f"remote.fallback.patience_ms = {fallback.patience_ms}, {limit}")

    @property
    def wait_ms(self) -> int:
        """So long after the exposure an answer of the server is of use."""
        return self.remote.fallback.patience_ms if self.remote.fallback.policy else self.deadline_ms


@dataclass(frozen=True)
class ServerConfig:
    """Parameters of the component that serves a policy.

    Attributes:
        policy: folder of the policy.
        remote: the link.
        follow: another policy that is put into the folder, and is good, answers from then on; vehicles must accept it.
        store, name: a name in a store, see `delivery`; what it stands for is put into the folder when it changes, if it is good.
        look_s: between two looks.
        backend, providers, threads, warm_up: as in `heron_vla.config.PolicyConfig`.
    """

    policy: str = ""
    remote: LinkConfig = field(default_factory=LinkConfig)
    backend: Choice = "auto"
    providers: tuple[str, ...] = PROVIDERS
    threads: int = 1
    warm_up: int = 2
    follow: bool = False
    store: str = ""
    name: str = ""
    look_s: float = 1.0

    def __post_init__(self) -> None:
        if bool(self.store) != bool(self.name):
            raise ValueError(f"store = {self.store!r} with name = {self.name!r}: both belong together")
        if not 0.1 <= self.look_s <= 3600.0:
            raise ValueError(f"look_s = {self.look_s}, allowed 0.1 .. 3600")
        if not 1 <= self.threads <= 64:
            raise ValueError(f"threads = {self.threads}, allowed 1 .. 64")
        if not 0 <= self.warm_up <= 100:
            raise ValueError(f"warm_up = {self.warm_up}, allowed 0 .. 100")
