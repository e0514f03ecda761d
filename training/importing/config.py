"""The text of an imported model's `config.pbtxt`, by the conventions of docs/triton.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.importing.graph import Graph, GraphTensor


@dataclass(frozen=True)
class Traffic:
    """How Triton batches a model's requests."""

    max_batch_size: int
    delay_us: int
    """How long the first of a batch waits for company."""
    preferred: tuple[int, ...]
    why: str


IMAGES = Traffic(
    4,
    500,
    (),
    "Batches of at most 4 keep both cores of a small machine busy at 8 callers.",
)
TEXTS = Traffic(
    8,
    0,
    (1,),
    "On a core a batch takes as long as its requests one after the other, and nobody passes it.",
)
ROWS = Traffic(8, 0, (), "Nothing is known of its speed: a request does not wait for company.")


def config_text(name: str, graph: Graph, traffic: Traffic) -> str:
    """The configuration; `services.local.triton.tensorrt` can make the one for a GPU of it."""
    sizes = ", ".join(map(str, traffic.preferred))
    preferred = f"  preferred_batch_size: [ {sizes} ]\n" if sizes else ""
    delay = f"  max_queue_delay_microseconds: {traffic.delay_us}\n" if traffic.delay_us else ""
    return f"""name: "{name}"
backend: "onnxruntime"
max_batch_size: {traffic.max_batch_size}

input [
{_tensors(graph.inputs)}
]
output [
{_tensors(graph.outputs)}
]

# {traffic.why}
dynamic_batching {{
{preferred}{delay}}}

# Two one-thread instances keep both cores of a small machine busier than one of two threads.
instance_group [ {{ count: 2 kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
parameters {{ key: "inter_op_thread_count" value: {{ string_value: "1" }} }}
parameters {{ key: "session.intra_op.allow_spinning" value: {{ string_value: "0" }} }}
"""


def _tensors(tensors: Sequence[GraphTensor]) -> str:
    return ",\n".join(
        f'  {{ name: "{tensor.name}" data_type: TYPE_{tensor.datatype} dims: {list(tensor.shape)} }}'
        for tensor in tensors
    )
