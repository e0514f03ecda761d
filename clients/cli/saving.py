"""Pictures of an answer as files, and the answer without them, which would be most of its JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from medmesh.imaging.v1.imaging_pb2 import Finding, ImageAnalysis


def save_pictures(analysis: ImageAnalysis, folder: Path, stem: str = "") -> Iterator[Path]:
    """Writes each model's overlay as `heat-map<stem>.png` (`heat-map<stem>-<model>.png` where several
    answered) and each mask as `mask<stem>-<model>-<label>.png`.
    """
    for result in analysis.results:
        model = _safe(result.provenance.model_name)
        if result.overlay_png:
            path = folder / f"heat-map{stem}{f'-{model}' if len(analysis.results) > 1 else ''}.png"
            path.write_bytes(result.overlay_png)
            yield path
        for mask in result.masks:
            path = folder / f"mask{stem}-{model}-{_safe(mask.label)}.png"
            path.write_bytes(mask.mask_png)
            yield path


def drop_pictures(analysis: ImageAnalysis) -> None:
    """Removes overlays, masks and maps from an answer."""
    for result in analysis.results:
        result.overlay_png = b""
        for mask in result.masks:
            mask.mask_png = b""
        _drop_maps(result.findings)
        for key in result.key_slices:
            _drop_maps(key.findings)


def _drop_maps(findings: Iterable[Finding]) -> None:
    for finding in findings:
        finding.ClearField("heat_map")


def _safe(name: str) -> str:
    """A name of a card as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".") or "unnamed"
