"""Settings of the policy component: the only home of its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from heron_vla.backends import PROVIDERS, Choice


@dataclass(frozen=True)
class PolicyConfig:
    """Parameters of the policy component.

    Attributes:
        policy: folder of the policy.
        rig: path of rig.yaml, against which the policy is checked; empty: not checked here.
        backend: what runs the graph: onnxruntime, openvino, or auto: see `heron_vla.backends.choose_backend`.
        providers: execution providers of ONNX Runtime, best first.
        threads: CPU threads of one inference.
        warm_up: plans on zeros before the first frame set.
        deadline_ms: a plan that is older when it is made (now minus the frame set's stamp) is dropped.
        manoeuvre: in force until an instruction comes.
        recording: whose instructions are given anew, when they were; empty: none.
    """

    policy: str = ""
    rig: str = ""
    backend: Choice = "auto"
    providers: tuple[str, ...] = PROVIDERS
    threads: int = 1
    warm_up: int = 2
    deadline_ms: int = 500
    manoeuvre: str = "follow"
    recording: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= 64:
            raise ValueError(f"threads = {self.threads}, allowed 1 .. 64")
        if not 0 <= self.warm_up <= 100:
            raise ValueError(f"warm_up = {self.warm_up}, allowed 0 .. 100")
        if not 10 <= self.deadline_ms <= 5000:
            raise ValueError(f"deadline_ms = {self.deadline_ms}, allowed 10 .. 5000")
