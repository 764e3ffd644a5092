"""The policy component: /frames, /vehicle/state and /instruction in, /plan/trajectory and /plan/explanation out. It sees nothing else."""

from __future__ import annotations

from typing import Any

from heron_vla.config import PolicyConfig
from heron_vla.folder import PolicyFolder
from heron_vla.planning import Mind, PlanningNode
from heron_vla.session import OnnxPolicy
from heron_vla.speech import Speaker


class PolicyNode(PlanningNode):
    """Thinks in this process."""

    def open_mind(self, folder: PolicyFolder) -> Mind:
        """The policy's graphs, warmed up."""
        config: PolicyConfig = self.config
        self._policy = OnnxPolicy(folder, config.providers, config.threads, config.warm_up, config.backend)
        if folder.language is None:
            return Mind(self._policy)
        # A graph of its own: the one that plans is never waited for. ONNX Runtime, because it works in the thread that calls, which is a nice one.
        reader = OnnxPolicy(folder, config.providers, warm_up=0, backend="onnxruntime")
        return Mind(self._policy, reader, Speaker(folder, config.providers))

    def report_mind(self) -> dict[str, Any]:
        """What the policy runs on, and whether images were copied."""
        policy = self._policy
        ran_on = {"name": policy.folder.spec.name, "digest": policy.digest, "backend": policy.backend, "provider": policy.provider}
        return {"policy": ran_on, "image_copies": policy.image_copies}
