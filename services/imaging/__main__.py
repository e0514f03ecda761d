"""Serves the imaging service: `python -m services.imaging`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc

from medmesh.imaging.v1 import imaging_pb2, imaging_pb2_grpc
from services.chassis.rpc.server import run
from services.chassis.rpc.service import Parts, Service
from services.chassis.uploads.servicer import DESCRIPTOR as UPLOADS
from services.chassis.uploads.servicer import serve_uploads
from services.imaging.analysis import ImageAnalyzer
from services.imaging.deidentification.deidentifier import ImageDeidentifier
from services.imaging.images import DecodingLimits
from services.imaging.safeguards import PART, Safeguards
from services.imaging.served import ServedImageModels
from services.imaging.servicer import ImagingServicer
from services.imaging.settings import ImagingSettings
from services.imaging.sources import AddressReader
from services.imaging.tasks import GATE, READERS, TEXT_DETECTION


async def register(parts: Parts[ImagingSettings], server: grpc.aio.Server) -> None:
    """Wires the analyzer to the models that are served and adds the servicer."""
    settings = parts.settings
    pool = parts.resources.enter_context(
        ThreadPoolExecutor(settings.decoding_thread_count, thread_name_prefix="decode")
    )
    limits = DecodingLimits(settings.maximum_image_bytes, settings.maximum_pixel_count)
    served = ServedImageModels(parts.catalog)
    safeguards = Safeguards(parts.catalog)
    parts.health.tell_asked(PART, safeguards.problem)
    parts.telemetry.instruments.observe(
        "medmesh.model.unjudged",
        "1",
        "1: the gate that a model's card asks for does not answer.",
        safeguards.unjudged,
    )
    servicer = ImagingServicer(
        ImageAnalyzer(served, pool, limits),
        ImageDeidentifier(served, pool, limits),
        AddressReader(settings.image_uri_prefixes, max_bytes=settings.maximum_image_bytes),
        await serve_uploads(settings, server, parts.resources),
        parts.apart,
        max_image_bytes=settings.maximum_image_bytes,
    )
    imaging_pb2_grpc.add_ImagingServiceServicer_to_server(servicer, server)


SERVICE = Service(
    name="imaging",
    settings=ImagingSettings,
    descriptors=(imaging_pb2.DESCRIPTOR.services_by_name["ImagingService"], UPLOADS),
    register=register,
    apart="services.imaging",
    tasks=(*READERS, GATE, TEXT_DETECTION),
)

if __name__ == "__main__":
    run(SERVICE)
