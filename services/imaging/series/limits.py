"""What a series may cost, checked on what its files declare before anything is unpacked."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.imaging.images import DecodingLimits


@dataclass(frozen=True)
class SeriesLimits:
    """Bounds of one series."""

    max_slice_count: int = 2_000
    """Images, frames counted one by one."""
    max_member_count: int = 4_000
    """Entries of an archive, folders among them."""
    max_file_bytes: int = 1024**3
    """Of each file of an archive, once inflated: a multi-frame object holds a whole series."""
    max_inflated_bytes: int = 2 * 1024**3
    """Of all files of an archive together, once inflated."""
    max_inflation: float = 200.0
    """How many times as large as the archive its files may be; CT slices are about twice, a zip bomb a
    thousand times."""
    max_large_inflation: float = 20.0
    """The same of a single file beyond 256 MB."""
    max_voxel_count: int = 600_000_000
    """Of a volume: rows x columns x slices. It takes two bytes each."""
    one_file: DecodingLimits = field(default_factory=DecodingLimits)
    """Of each file, and of each of its frames."""
