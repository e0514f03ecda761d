"""The settings of the orchestrator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.chassis.settings import AssertingSettings, bounded
from services.chassis.uploads.settings import UploadSettings


@dataclass(frozen=True, kw_only=True)
class OrchestratorSettings(AssertingSettings, UploadSettings):
    """What the orchestrator is told, next to what every service is told."""

    listen: str = "127.0.0.1:50060"
    """Address and port to listen on. Port 0 takes a free one."""
    maximum_request_bytes: int = bounded(80 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is taken from a caller or an upstream: images of 64 MiB, a bundle, a note."""
    maximum_response_bytes: int = bounded(80 * 1024 * 1024, 1024, 1 << 30)
    """Largest message that is sent, as an answer or to a service: an image of 64 MiB."""
    imaging_url: str = "127.0.0.1:50061"
    """Address and port of the imaging service."""
    language_url: str = "127.0.0.1:50062"
    """Address and port of the language service."""
    recommendation_url: str = "127.0.0.1:50063"
    """Address and port of the recommendation service."""
    receipt_folder: Path = Path(".medmesh/receipts")
    """Folder of the log of receipts; made when missing. It outlives the process: in a container a volume."""
    receipt_key: Path | None = None
    """PEM file with an unencrypted Ed25519 private key that signs the receipts (`openssl genpkey -algorithm
    ed25519`). Unset: receipts are chained and not signed."""
    repeat_window_s: float = bounded(600.0, 0.0, 86_400.0)
    """How long the answer to a request with a `request_id` is remembered for its repetition, in seconds."""
    repeat_maximum_bytes: int = bounded(64 * 1024 * 1024, 0, 1 << 34)
    """Bytes of answers that are remembered for that; beyond it the oldest are forgotten first."""
    deidentify_notes: bool = False
    """Take what identifies the patient out of each note before anything is done with it: before it is read,
    handed to a writer or bound into a receipt. Texts and offsets in the answer are then those of the note
    without it."""
    treatment_share: float = bounded(0.3, 0.05, 0.9)
    """Part of a request's time kept back for the treatments, which need what the other branches found."""
    report_share: float = bounded(0.4, 0.05, 0.9)
    """Part of a request's time kept back for the draft of a report, where one is asked for."""
    fusion_reserve_s: float = bounded(0.2, 0.0, 10.0)
    """Time kept back for fusing and sealing the answer, in seconds; at most a tenth of the request's."""
    hedge_share: float = bounded(0.02, 0.0, 0.2)
    """Part of the analyses that may be asked of another replica too, while they are late; 0: none."""
    catalog_timeout_s: float = bounded(5.0, 0.01, 60.0)
    """Time that a service gets to list its models or hand out a card, in seconds."""
    card_refresh_s: float = bounded(60.0, 0.05, 86_400.0)
    """Time between two looks at which models the services serve, in seconds."""
