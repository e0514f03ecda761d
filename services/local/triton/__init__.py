"""The embedded Triton: a real tritonserver on this machine, without a container."""

from __future__ import annotations

from services.local.triton.launcher import EmbeddedTriton, TritonError, TritonSettings

__all__ = ["EmbeddedTriton", "TritonError", "TritonSettings"]
