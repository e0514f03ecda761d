"""`Deidentify` over a real server, with the rules alone and with a model that finds identifiers."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from medmesh.language.v1 import deidentification_pb2 as pb
from medmesh.language.v1 import language_pb2_grpc
from services.chassis.settings import SettingsError
from services.language.__main__ import deidentification_key
from services.language.settings import LanguageSettings
from tests.language.models_made import PREPROCESSING, add_model, tags_words
from tests.language.test_servicer import served
from tests.language.tokenizers_made import byte_level_bpe

KEY = b"sixteen bytes 16"
IDENTIFIERS = f"""token_classification {{ {PREPROCESSING}
  scores_tensor: "scores" activation: ACTIVATION_SOFTMAX
  labels: ["O", "B-Name", "I-Name", "B-City"] piece_aggregation: PIECE_AGGREGATION_FIRST
  entity_types {{ label: "Name" type: "NAME" }} entity_types {{ label: "City" type: "LOCATION" }}
}}"""


@pytest.fixture
async def stub(repository, inference):
    async with served(repository, inference) as (_, channel):
        yield language_pb2_grpc.LanguageServiceStub(channel)


@pytest.fixture
async def with_model(repository, inference):
    add_model(repository, "identifiers", byte_level_bpe(), IDENTIFIERS, (-1, 4))
    inference.functions["identifiers"] = tags_words(byte_level_bpe(), 4, {"liliequist": 1, "chest": 3})
    async with served(repository, inference) as (_, channel):
        yield language_pb2_grpc.LanguageServiceStub(channel)


async def ask(stub, *texts, **options) -> pb.Deidentification:
    return (await stub.Deidentify(pb.DeidentifyRequest(texts=texts, **options))).deidentification


async def test_without_a_model_the_rules_answer_and_a_notice_says_so(stub):
    done = await ask(stub, "🙂 Seen by Dr. Castellano on 3/5/2019.", "castellano signed")
    assert [text.text for text in done.texts] == ["🙂 Seen by Dr. [NAME-1] on [DATE-1].", "[NAME-1] signed"]
    name = done.texts[0].replacements[0]
    assert (name.kind, name.start_offset, name.end_offset) == (pb.IDENTIFIER_KIND_NAME, 14, 24)
    assert (name.replaced_start_offset, name.replaced_end_offset, name.number) == (14, 22, 1)
    assert name.origin == pb.IDENTIFIER_ORIGIN_RULE
    assert done.texts[1].replacements[0].origin == pb.IDENTIFIER_ORIGIN_REPEATED
    [notice] = done.notices
    assert (notice.reason, notice.review_required) == ("DEIDENTIFIED_BY_RULES_ALONE", True)
    assert not done.HasField("provenance")


async def test_what_a_model_finds_goes_too(with_model):
    done = await ask(with_model, "liliequist has pain in the chest")
    assert done.texts[0].text == "[NAME-1] has pain in the [LOCATION-1]"
    assert done.provenance.model_name == "identifiers"
    assert list(done.notices) == []


async def test_a_model_that_does_not_answer_costs_a_notice(with_model, inference):
    inference.stop("identifiers")
    done = await ask(with_model, "Dr. Castellano has pain")
    assert done.texts[0].text == "Dr. [NAME-1] has pain"
    assert [notice.reason for notice in done.notices] == ["DEIDENTIFIED_BY_RULES_ALONE"]


async def test_a_model_of_something_else_is_not_found(with_model):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(with_model, "Dr. Castellano", model="clinical_ner")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_surrogates_hang_on_the_key(stub):
    options = {"style": pb.REPLACEMENT_STYLE_SURROGATE, "patient": "p"}
    texts = [
        (await ask(stub, "Dr. Castellano", key=key, **options)).texts[0].text for key in (KEY, KEY, KEY[::-1])
    ]
    assert texts[0] == texts[1]
    assert "Castellano" not in texts[0]
    assert texts[0] != texts[2]


BAD = [
    (pb.DeidentifyRequest(), "texts"),
    (pb.DeidentifyRequest(texts=["Jane Doe", " "]), "texts[1]"),
    (pb.DeidentifyRequest(texts=["Jane Doe\x00"]), "texts[0]"),
    (pb.DeidentifyRequest(texts=["Jane Doe " * 15_000] * 2), "texts"),
    (pb.DeidentifyRequest(texts=["Jane Doe"], style=pb.REPLACEMENT_STYLE_SURROGATE), "key"),
    (pb.DeidentifyRequest(texts=["Jane Doe"], key=b"short"), "key"),
    (pb.DeidentifyRequest(texts=["Jane Doe"], key=b"k" * 257), "key"),
    (pb.DeidentifyRequest(texts=["Jane Doe"], known=[pb.KnownIdentifier(text="Doe")]), "known[0].kind"),
]


async def test_bad_input_names_its_field_and_nothing_of_the_text(stub):
    for request_message, field in BAD:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Deidentify(request_message)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        status = rpc_status.from_call(caught.value)
        assert "Jane" not in str(status)
        [bad] = [d for detail in status.details if detail.Unpack(d := error_details_pb2.BadRequest())]
        assert [violation.field for violation in bad.field_violations] == [field]


def test_the_services_own_key_is_read_once_and_checked(tmp_path):
    path = tmp_path / "key"
    assert deidentification_key(LanguageSettings()) == b""
    path.write_bytes(KEY)
    assert deidentification_key(LanguageSettings(deidentification_key_file=path)) == KEY
    path.write_bytes(b"short")
    with pytest.raises(SettingsError, match="MEDMESH_DEIDENTIFICATION_KEY_FILE"):
        deidentification_key(LanguageSettings(deidentification_key_file=path))
    with pytest.raises(SettingsError, match="cannot be read"):
        deidentification_key(LanguageSettings(deidentification_key_file=tmp_path / "none"))
