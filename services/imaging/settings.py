"""The settings of the imaging service."""

from __future__ import annotations

from dataclasses import dataclass

from services.chassis.settings import SettingsError, bounded
from services.chassis.uploads.settings import UploadSettings
from services.imaging.sources import AddressReader


@dataclass(frozen=True, kw_only=True)
class ImagingSettings(UploadSettings):
    """What the imaging service is told, next to what every service is told."""

    listen: str = "127.0.0.1:50061"
    """Address and port to listen on. Port 0 takes a free one."""
    maximum_image_bytes: int = bounded(64 * 1024 * 1024, 1024, 1 << 30)
    """Largest file, in one message or in a stream of chunks; the orchestrator takes the same."""
    maximum_request_bytes: int = bounded(66 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is taken from a caller: the largest file and its options."""
    maximum_pixel_count: int = bounded(64_000_000, 1024, 1_000_000_000)
    """Largest declared rows x columns; checked before anything is decoded."""
    decoding_thread_count: int = bounded(2, 1, 64)
    """Images that are decoded or drawn at the same time; to decode one takes up to 256 MB."""
    image_uri_prefixes: str = ""
    """Addresses below which images are read that requests name by `uri`, separated by spaces, e.g.
    `https://pacs.example/wado/ file:///srv/images/`. Empty: none."""

    def __post_init__(self) -> None:
        """Checks the prefixes."""
        super().__post_init__()
        try:
            AddressReader(self.image_uri_prefixes, max_bytes=self.maximum_image_bytes)
        except ValueError as error:
            raise SettingsError(self.key("image_uri_prefixes"), str(error)) from error
