"""A policy folder as a running ONNX Runtime session."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heron_core.policy import PolicyInput
from heron_vla.contract import COMMAND_INPUT, EGO_INPUT, TRAJECTORY_OUTPUT
from heron_vla.folder import PolicyError, PolicyFolder

# Best first; those that this build of ONNX Runtime has are tried.
PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider")


def choose_providers(preferred: Sequence[str]) -> list[str]:
    """The preferred providers that this ONNX Runtime has, in order, and the CPU at the end."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [name for name in (*dict.fromkeys((*preferred, "CPUExecutionProvider")),) if name in available]


class OnnxPolicy:
    """Implements `heron_core.policy.Policy`. Small inputs and the output live in buffers bound once; images are bound where they lie.

    Attributes:
        image_copies: image buffers that were not at the address where they were made, since start.
    """

    def __init__(self, folder: PolicyFolder, providers: Sequence[str] = PROVIDERS, threads: int = 1, warm_up: int = 2) -> None:
        """Opens the session.

        Args:
            folder: a checked policy folder.
            providers: preferred execution providers.
            threads: CPU threads of one inference.
            warm_up: plans on zeros before the first real one.

        Raises:
            PolicyError: ONNX Runtime cannot open the graph, or cannot run it.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(folder.graph_path), options, providers=choose_providers(providers))
        except Exception as error:  # onnxruntime has no base class for its errors
            raise PolicyError(f"{folder.graph_path}: ONNX Runtime cannot open it: {error}") from error
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy
        self.folder = folder
        self.image_copies = 0
        ego, horizon = folder.spec.ego_history, folder.spec.horizon
        self._ego = np.zeros((1, ego.steps, len(ego.columns)), dtype=np.float32)
        self._command = np.zeros(1, dtype=np.int64)
        self._trajectory = np.zeros((1, horizon.points, 4), dtype=np.float32)
        self._held = [self._value(array) for array in (self._ego, self._command, self._trajectory)]
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(EGO_INPUT, self._held[0])
        self._binding.bind_ortvalue_input(COMMAND_INPUT, self._held[1])
        self._binding.bind_ortvalue_output(TRAJECTORY_OUTPUT, self._held[2])
        blank = {name: np.zeros((1, *shape), dtype=np.uint8) for name, shape in folder.image_shapes.items()}
        for _ in range(warm_up):
            self._run({name: self._value(array) for name, array in blank.items()})

    @property
    def digest(self) -> str:
        """Of the policy folder."""
        return self.folder.digest

    @property
    def provider(self) -> str:
        """The execution provider that ONNX Runtime put first."""
        return str(self._session.get_providers()[0])

    def plan(self, request: PolicyInput) -> NDArray[np.float32]:
        """(40, 4) float32: x, y, yaw, speed in base_link at the frame set's stamp.

        Raises:
            PolicyError: inputs that are not as declared, or a graph that fails, or an output that is not finite; nothing of it is passed on.
        """
        if request.ego_history.shape != self._ego.shape[1:] or not np.isfinite(request.ego_history).all():
            raise PolicyError(f"ego history is {request.ego_history.shape} or not finite, the policy wants {self._ego.shape[1:]}")
        self._ego[0] = request.ego_history
        self._command[0] = request.command
        self._run(self._bound_images(request))
        points: NDArray[np.float32] = self._trajectory[0].copy()
        if not np.isfinite(points).all():
            raise PolicyError(f"policy {self.folder.spec.name} gave a plan that is not finite")
        return points

    def _bound_images(self, request: PolicyInput) -> dict[str, object]:
        bound: dict[str, object] = {}
        for name, shape in self.folder.image_shapes.items():
            images = request.frames.images.get(name)
            if images is None or images.shape != shape:
                raise PolicyError(f"frame set has {None if images is None else images.shape} for input {name!r}, the policy wants {shape}")
            value = self._value(images[None])
            self.image_copies += value.data_ptr() != request.frames.addresses.get(name)
            bound[name] = value
        return bound

    def _run(self, images: dict[str, object]) -> None:
        self._trajectory.fill(np.nan)  # an output that was not written must not look like the last plan
        for name, value in images.items():
            self._binding.bind_ortvalue_input(name, value)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # ONNX Runtime's own have no common base but this
            raise PolicyError(f"{self.folder.graph_path}: the graph fails when it is run: {str(error).strip()}") from error
