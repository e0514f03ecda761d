"""Imported first, it keeps tritonclient out: nothing here asks a Triton through the services, and another
server registers the same messages under names of its own.
"""

from __future__ import annotations

import sys
from types import ModuleType

_client = ModuleType("tritonclient.grpc")
_client.__dict__["model_config_pb2"] = None
sys.modules["tritonclient"] = sys.modules["tritonclient.grpc"] = _client
