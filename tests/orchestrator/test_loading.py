"""A service without models does without what they need."""

from __future__ import annotations

from tests.loading import loaded_by


def test_the_orchestrator_loads_neither_numpy_nor_tritons_client():
    loaded = loaded_by("services.orchestrator.__main__")
    assert "services.chassis.rpc.server" in loaded
    assert loaded.isdisjoint({"numpy", "tritonclient", "services.chassis.models.catalog"})
