"""Which line of source a node of a graph comes from."""

from __future__ import annotations

import re
from typing import Any

STACK = "pkg.torch.onnx.stack_trace"  # where PyTorch's exporter writes it
SCOPES = "pkg.torch.onnx.name_scopes"  # path of the module inside the model
_FRAME = re.compile(r'File "[^"]*?/(?P<file>(?:heron_model|transformers)/(?!heron_model/)[^"]+)", line (?P<line>\d+), in (?P<function>\w+)')


def keep_origins(graph: Any) -> None:
    """Leaves of an exporter's remarks on each node what helps a reader: modules, and the lines of Heron and transformers.

    Paths begin at the package, so that the file is the same on every machine. Shapes in between are dropped: runtimes infer them.
    """
    del graph.graph.value_info[:]
    for node in graph.graph.node:
        remarks = {remark.key: remark.value for remark in node.metadata_props}
        del node.metadata_props[:]
        for key, value in ((STACK, source_lines(remarks.get(STACK, ""))), (SCOPES, remarks.get(SCOPES, ""))):
            if value:
                node.metadata_props.add(key=key, value=value)


def source_lines(stack: str) -> str:
    """Of a stack trace the frames in Heron's model and in transformers, innermost last, as `File "heron_model/vision.py", line 108, in forward`."""
    frames = [found for found in _FRAME.finditer(stack) if not found["file"].startswith("heron_model/export/")]
    return "\n".join(f'File "{found["file"]}", line {found["line"]}, in {found["function"]}' for found in frames)
