"""Serves the imaging service: `python -m services.imaging`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc

from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from services.chassis.rpc.server import Parts, Service, run
from services.imaging.analysis import ImageAnalyzer, ModelFacts
from services.imaging.images import DecodingLimits
from services.imaging.models import SPECS
from services.imaging.servicer import ImagingServicer
from services.imaging.settings import ImagingSettings


async def register(parts: Parts[ImagingSettings], server: grpc.aio.Server) -> None:
    """Wires the analyzer to the models that are served and adds the servicer."""
    settings = parts.settings
    pool = parts.resources.enter_context(
        ThreadPoolExecutor(settings.decoding_thread_count, thread_name_prefix="decode")
    )
    facts = {
        model.spec.name: ModelFacts(tuple(model.card.labels), dict(model.card.serving_parameters))
        for model in parts.catalog.models()
        if model.card is not None and not model.refusal
    }
    limits = DecodingLimits(settings.maximum_image_bytes, settings.maximum_pixel_count)
    servicer = ImagingServicer(
        ImageAnalyzer(parts.inference, facts, pool, limits),
        parts.provenance,
        max_image_bytes=settings.maximum_image_bytes,
    )
    imaging_pb2_grpc.add_ImagingServiceServicer_to_server(servicer, server)


SERVICE = Service(
    name="imaging",
    settings=ImagingSettings,
    descriptors=(imaging_pb2.DESCRIPTOR.services_by_name["ImagingService"],),
    register=register,
    models=SPECS,
)

if __name__ == "__main__":
    run(SERVICE)
