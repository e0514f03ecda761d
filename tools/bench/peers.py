"""The row of the other servers: the same images, weights and preparation, each as its documents have it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tritonclient.grpc import service_pb2

from tools.bench import http, imaging
from tools.bench.rows import MESH, REFERENCE, Row, throughput
from tools.bench.sides import GrpcServer, HttpServer

_KIND = "small"
_BOUNDARY = "medmesh-bench"
_INFER = "/inference.GRPCInferenceService/ModelInfer"


def _forms() -> Sequence[http.Request]:
    headers = [("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")]
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'.encode()
    return [
        http.Request(
            "/predict", headers, head + Path(path).read_bytes() + f"\r\n--{_BOUNDARY}--\r\n".encode()
        )
        for path in imaging.paths(_KIND)
    ]


def _tensors() -> Sequence[bytes]:
    requests = []
    for path in imaging.paths(_KIND):
        data = Path(path).read_bytes()
        request = service_pb2.ModelInferRequest(model_name="chest_reader")
        tensor = request.inputs.add(name="image", datatype="BYTES")
        tensor.shape.extend([1, 1])
        request.raw_input_contents.append(len(data).to_bytes(4, "little") + data)
        requests.append(request.SerializeToString())
    return requests


ROWS: Sequence[Row] = (
    Row(
        "peers.small-jpeg",
        "the same small JPEGs at 16 callers beside other servers (the figure: medmesh ÷ ONNX Runtime alone)",
        {
            MESH: imaging.mesh(_KIND),
            REFERENCE: imaging.alone(_KIND),
            "LitServe": HttpServer("litserve", "clients.loadtest.peers.litserve_server", _forms),
            "MLServer": GrpcServer("mlserver", "clients.loadtest.peers.mlserver_server", _INFER, _tensors),
            "Triton, decoding beside the model": GrpcServer(
                "triton", "clients.loadtest.peers.triton_server", _INFER, _tensors
            ),
        },
        throughput,
        None,
        16,
    ),
)
