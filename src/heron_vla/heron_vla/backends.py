"""What runs a graph on this computer: ONNX Runtime or OpenVINO, behind one face."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from heron_core.arrays import address
from heron_vla.contract import Precision
from heron_vla.signature import PolicyError

Arrays = Mapping[str, NDArray[Any]]
Choice = Literal["auto", "onnxruntime", "openvino"]

# Best first; those that this build of ONNX Runtime has are tried.
PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider")


class Backend(Protocol):
    """A graph that can be run.

    Attributes:
        name: `onnxruntime` or `openvino`.
        provider: what it runs on.
    """

    name: str
    provider: str

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
        """Runs the graph once.

        Args:
            inputs: arrays with the batch; images are read where they lie.
            outputs: names of what is wanted.

        Returns:
            The outputs in arrays of their own, and the address at which each input was read.

        Raises:
            PolicyError: the graph fails.
        """


def choose_providers(preferred: Sequence[str]) -> list[str]:
    """The preferred providers that this ONNX Runtime has, in order, and the CPU at the end."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [name for name in (*dict.fromkeys((*preferred, "CPUExecutionProvider")),) if name in available]


def choose_backend(choice: Choice, precision: Precision = "fp32") -> Literal["onnxruntime", "openvino"]:
    """The backend for `auto`: without a clock, so that the same files give the same plans on the same computer.

    ONNX Runtime: DriveHeron's graphs (4 million weights, seven views, opset 23) take 14 ms a plan there and 16 ms in OpenVINO at fp32, a word 0.3 ms
    and 1.2 ms (one core of an AMD EPYC with AVX-512). A policy of bf16: OpenVINO, where the CPU has it (11 ms). `./heron bench model` measures both.
    """
    if choice == "auto":
        return "openvino" if precision == "bf16" and has_bf16() else "onnxruntime"
    return choice


@cache
def has_bf16() -> bool:
    """Whether OpenVINO is installed and this CPU multiplies bf16."""
    try:
        import openvino
    except ImportError:
        return False
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def open_graph(path: Path, choice: Choice = "auto", providers: Sequence[str] = PROVIDERS, threads: int = 1, precision: Precision = "fp32") -> Backend:
    """Opens a graph.

    Args:
        path: the ONNX file.
        choice: see `choose_backend`.
        providers: preferred execution providers of ONNX Runtime.
        threads: CPU threads of one run.
        precision: that is allowed.

    Raises:
        PolicyError: the backend is not installed or cannot open the file.
    """
    if choose_backend(choice, precision) == "openvino":
        return OpenVino(path, threads, precision)
    return OnnxRuntime(path, providers, threads)


class OnnxRuntime:
    """See `Backend`. Runs in the thread that calls."""

    name = "onnxruntime"

    def __init__(self, path: Path, providers: Sequence[str], threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        self._path, self._value = path, onnxruntime.OrtValue.ortvalue_from_numpy
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=choose_providers(providers))
        except Exception as error:  # onnxruntime has no base class for its errors
            raise PolicyError(f"{path}: ONNX Runtime cannot open it: {error}") from error
        self.provider = str(self._session.get_providers()[0])

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
        """See Backend."""
        values = {name: self._value(array) for name, array in inputs.items()}
        try:
            found = self._session.run_with_ort_values(list(outputs), values)
        except Exception as error:  # see above
            raise PolicyError(f"{self._path}: the graph fails when it is run: {str(error).strip()}") from error
        made = {name: value.numpy() for name, value in zip(outputs, found, strict=True)}
        return made, {name: int(value.data_ptr()) for name, value in values.items()}


class OpenVino:
    """See `Backend`. Declared arithmetic, one stream, no pinning: the same numbers at every run, and no core taken from others."""

    name = "openvino"

    def __init__(self, path: Path, threads: int, precision: Precision = "fp32") -> None:
        try:
            import openvino
        except ImportError as error:
            raise PolicyError(f"{path}: backend openvino was asked for, but the Python package openvino is not installed") from error
        self._path, self._openvino = path, openvino
        half = precision == "bf16" and has_bf16()
        self.provider = f"OpenVINO CPU, {'bf16' if half else 'fp32'}"
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",  # its own choice would be the faster one, asked or not
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(threads),
            "ENABLE_CPU_PINNING": "NO",
        }
        try:
            model = openvino.Core().compile_model(str(path), "CPU", settings)
        except Exception as error:  # RuntimeError of whatever part
            raise PolicyError(f"{path}: OpenVINO cannot open it: {str(error).strip()}") from error
        self._request = model.create_infer_request()

    def run(self, inputs: Arrays, outputs: Sequence[str]) -> tuple[dict[str, NDArray[Any]], dict[str, int]]:
        """See Backend."""
        try:
            tensors = {name: self._tensor(array) for name, array in inputs.items()}
            for name, tensor in tensors.items():
                self._request.set_tensor(name, tensor)
            self._request.infer()
            made = {name: self._request.get_tensor(name).data.copy() for name in outputs}
        except RuntimeError as error:
            raise PolicyError(f"{self._path}: the graph fails when it is run: {str(error).strip()}") from error
        return made, {name: address(tensor.data) for name, tensor in tensors.items()}

    def _tensor(self, array: NDArray[Any]) -> Any:
        """Images lie where they were made. OpenVINO does not write to inputs, but shares writeable memory only, so the array's flag is gone round."""
        if array.dtype == np.uint8 and array.flags.c_contiguous:
            memory: Any = (ctypes.c_uint8 * array.nbytes).from_address(address(array))
            return self._openvino.Tensor(np.frombuffer(memory, np.uint8).reshape(array.shape), shared_memory=True)
        tensor = self._openvino.Tensor(self._openvino.Type(np.dtype(array.dtype.str)), self._openvino.Shape(array.shape))
        tensor.data[:] = array
        return tensor
