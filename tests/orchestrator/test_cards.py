"""Cards are asked for when a model is met that is not known, of its very version; no request fails of it."""

from __future__ import annotations

import asyncio
import time

import pytest

from medmesh.common.v1 import catalog_pb2
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from services.chassis.errors import UpstreamUnavailable
from services.orchestrator import cards as module
from services.orchestrator.cards import CardCalls, ModelCards
from services.orchestrator.fusion import Source
from tests.orchestrator.answers import CARDS, analysis, full_case, provenance
from tests.orchestrator.cases import PNEUMONIA
from tests.orchestrator.conftest import probability, running_mesh, sources


class Catalog:
    """A service's catalog that counts what it is asked."""

    def __init__(self) -> None:
        self.cards = dict(CARDS)
        self.asked: list[str] = []
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.down = False
        self.listed_count = 0

    def calls(self) -> CardCalls:
        return CardCalls(self.list_models, self.get_card, self.problem)

    async def problem(self) -> str:
        return "down" if self.down else ""

    async def list_models(self):
        self.listed_count += 1
        if self.error is not None:
            raise self.error
        return catalog_pb2.ListModelsResponse(
            models=[catalog_pb2.ModelSummary(name=name) for name in self.cards]
        )

    async def get_card(self, name: str):
        self.asked.append(name)
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.cards[name]


@pytest.fixture
def catalog() -> Catalog:
    return Catalog()


@pytest.fixture
def known(catalog) -> ModelCards:
    return ModelCards({Source.IMAGE: catalog.calls()})


CHEST = provenance("chest_xray")


async def test_a_card_is_asked_for_once(known, catalog):
    assert known.of_answer(CHEST) is None
    for _ in range(3):
        await known.learn(Source.IMAGE, [CHEST, CHEST], 5)
    assert known.of_answer(CHEST).model == "chest_xray"
    assert catalog.asked == ["chest_xray"]


async def test_another_version_is_another_card(known, catalog):
    await known.learn(Source.IMAGE, [CHEST], 5)
    newer = provenance("chest_xray")
    newer.card_version, newer.weights_sha256, newer.model_sha256 = "9.0.0", "new", "new-folder"
    assert known.of_answer(newer) is None
    await known.learn(Source.IMAGE, [newer], 5)
    assert known.of_answer(newer) is None, "the service still hands out the card of the other version"


async def test_the_card_of_another_version_is_asked_for_again_after_a_pause(known, catalog, monkeypatch):
    newer = provenance("chest_xray")
    newer.card_version = "9.0.0"
    await known.learn(Source.IMAGE, [newer], 5)
    catalog.cards["chest_xray"] = type(CARDS["chest_xray"])()
    catalog.cards["chest_xray"].CopyFrom(CARDS["chest_xray"])
    catalog.cards["chest_xray"].version = "9.0.0"
    await known.learn(Source.IMAGE, [newer], 5)
    assert known.of_answer(newer) is None
    assert len(catalog.asked) == 1, "not at every request"
    monkeypatch.setattr(module, "RETRY_PAUSE_S", 0.0)
    await known.learn(Source.IMAGE, [newer], 5)
    assert known.of_answer(newer) is not None


async def test_a_service_that_does_not_answer_costs_no_more_than_its_time_and_is_heard_later(known, catalog):
    catalog.gate = asyncio.Event()
    started = time.monotonic()
    await known.learn(Source.IMAGE, [CHEST], 0.05)
    assert time.monotonic() - started < 2
    assert known.of_answer(CHEST) is None
    catalog.gate.set()
    await known.learn(Source.IMAGE, [CHEST], 5)
    assert known.of_answer(CHEST) is not None
    assert catalog.asked == ["chest_xray"]


@pytest.mark.parametrize("error", [UpstreamUnavailable(), FileNotFoundError("the token")])
async def test_a_service_that_fails_makes_no_request_fail(known, catalog, error):
    catalog.error = error
    await known.learn(Source.IMAGE, [CHEST], 5)
    assert known.of_answer(CHEST) is None
    await known.learn(Source.IMAGE, [CHEST], 5)
    assert catalog.asked == ["chest_xray"]  # not again at once


@pytest.mark.parametrize("error", [UpstreamUnavailable(), FileNotFoundError("the token")])
async def test_what_keeps_the_models_from_being_listed_may_pass(known, catalog, monkeypatch, error):
    monkeypatch.setattr(module, "FIRST_INTERVAL_S", 0.0)
    catalog.error = error
    async with asyncio.TaskGroup() as group:
        following = group.create_task(known.follow(60))
        while catalog.listed_count < 2:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
        catalog.error = None
        while known.served()[Source.IMAGE] is None:  # noqa: ASYNC110
            await asyncio.sleep(0)
        following.cancel()


async def test_the_models_of_a_source_are_unknown_until_heard_of(known, catalog):
    assert known.served() == {Source.IMAGE: None}
    await known.refresh(Source.IMAGE)
    assert [one.model for one in known.served()[Source.IMAGE]] == ["chest_xray", "head_ct"]
    del catalog.cards["head_ct"]
    await known.refresh(Source.IMAGE)
    assert [one.model for one in known.served()[Source.IMAGE]] == ["chest_xray"]


async def test_a_service_that_is_down_is_not_asked_and_is_heard_of_when_it_is_up(known, catalog, monkeypatch):
    """The breaker counts what is asked in vain: a mesh that starts must not begin with open ones."""
    monkeypatch.setattr(module, "FIRST_INTERVAL_S", 0.0)
    catalog.down = True
    following = asyncio.create_task(known.follow(60))
    for _ in range(5):
        await asyncio.sleep(0)
    assert catalog.listed_count == 0
    assert known.served() == {Source.IMAGE: None}
    catalog.down = False
    async with asyncio.timeout(5):
        while known.served()[Source.IMAGE] is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following


async def test_what_is_kept_is_bounded(known, catalog, monkeypatch):
    monkeypatch.setattr(module, "MAXIMUM_KEPT_COUNT", 2)
    for number in range(4):
        one = provenance("chest_xray")
        one.model_sha256 = str(number)
        await known.learn(Source.IMAGE, [one], 5)
    assert known.of_answer(one) is not None
    one.model_sha256 = "0"
    assert known.of_answer(one) is None


async def test_a_model_that_comes_later_counts_from_its_first_answer_on(mesh):
    """No restart of the orchestrator: the answer names the model, and its service has the card."""
    card = type(CARDS["chest_xray"])()
    card.CopyFrom(CARDS["chest_xray"])
    card.name, card.weights_sha256, card.version = "dropped_in", "dropped_in-weights", "1.0.0"
    mesh.catalogs["imaging"].cards["dropped_in"] = card
    mesh.fakes.answers["AnalyzeImage"] = analysis(provenance=provenance("dropped_in"))
    diagnosis = await mesh.diagnose(full_case())
    found = [c.evidence.image_finding.model_name for c in probability(diagnosis, PNEUMONIA).contributions]
    assert "dropped_in" in found
    assert "RELIABILITY_UNKNOWN" not in {n.reason for n in diagnosis.notices}


async def test_a_catalog_that_does_not_answer_leaves_the_image_out_and_says_so(tmp_path):
    async with running_mesh(tmp_path) as mesh:
        mesh.catalogs["imaging"].error = UpstreamUnavailable()
        mesh.fakes.answers["AnalyzeImage"] = analysis(provenance=provenance("not_met_before"))
        diagnosis = await mesh.diagnose(full_case())
    assert diagnosis.completeness == pb.COMPLETENESS_COMPLETE
    assert pb.SOURCE_IMAGE not in sources(diagnosis)
    assert "RELIABILITY_UNKNOWN" in {n.reason for n in diagnosis.notices}
