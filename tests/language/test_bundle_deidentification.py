from __future__ import annotations

import json

import pytest

from services.chassis.errors import InvalidInput
from services.language.deidentification.bundles import deidentify_bundle
from services.language.deidentification.reading import Deidentifier

KEY = b"a key of sixteen bytes or more"
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Vandersloot", "given": ["Odalys"]}]}
NOTE = {
    "resourceType": "DocumentReference",
    "status": "current",
    "description": "odalys has no pneumonia. Aspirin 81 mg. MRN: 00471123. Call 617-555-0143.",
}


async def test_texts_of_a_bundle_are_read_with_what_its_own_fields_say_of_the_patient():
    content = json.dumps({"resourceType": "Bundle", "entry": [{"resource": PATIENT}, {"resource": NOTE}]})
    done = await deidentify_bundle(content.encode(), KEY, "", Deidentifier(), None)

    text = json.loads(done.content)["entry"][1]["resource"]["description"]
    assert "has no pneumonia. Aspirin 81 mg." in text
    for identifier in ("odalys", "00471123", "617-555-0143"):
        assert identifier not in text
    assert "Vandersloot" not in done.content.decode()
    assert [notice.reason for notice in done.notices] == ["DEIDENTIFIED_BY_RULES_ALONE"]
    assert "Odalys" not in repr(done.changes)


@pytest.mark.parametrize(
    ("content", "key", "field"),
    [
        (b"not JSON", KEY, "fhir_bundle"),
        (b"[]", KEY, "fhir_bundle"),
        (b'{"resourceType": "Patient"}', b"short", "key"),
    ],
)
async def test_bad_input_names_its_field(content, key, field):
    with pytest.raises(InvalidInput) as caught:
        await deidentify_bundle(content, key, "", Deidentifier(), None)
    assert caught.value.field == field
