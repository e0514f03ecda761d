"""What a mesh's watch tells of what it finds, and when."""

from __future__ import annotations

from services.local.watch import LASTING_LOOKS, SILENT_LOOKS, Finding, Watch

SILENT = Finding("language", "language no longer answers", "language answers again", SILENT_LOOKS)
LACKING = Finding("language: safeguards", "a gate is missing", "well again")


def watch() -> Watch:
    async def nothing():
        return {}

    async def closed():
        return None

    return Watch(nothing, closed)


def test_what_lasts_is_told_once_and_once_more_when_it_is_over():
    one = watch()
    said = []
    for _ in range(3 * SILENT_LOOKS):
        one.take({"language": [SILENT]})
        said.append(one.changes())
    assert said == [[]] * (SILENT_LOOKS - 1) + [["language no longer answers"]] + [[]] * (2 * SILENT_LOOKS)
    one.take({"language": []})
    assert one.changes() == ["language answers again"]
    assert one.changes() == []


def test_what_passes_by_itself_is_not_told():
    one = watch()
    for findings in ([LACKING] * (LASTING_LOOKS - 1), [], [LACKING]):
        for finding in findings:
            one.take({"language": [finding]})
        if not findings:
            one.take({"language": []})
        assert one.changes() == []


def test_findings_are_counted_apart():
    one = watch()
    for _ in range(LASTING_LOOKS):
        one.take({"language": [LACKING, SILENT], "imaging": []})
    assert one.changes() == ["a gate is missing", "language no longer answers"]
    one.take({"language": [LACKING]})
    assert one.changes() == ["language answers again"]


def test_what_has_ended_is_told_by_others_and_begins_anew():
    one = watch()
    for _ in range(SILENT_LOOKS):
        one.take({"language": [SILENT]})
    assert one.changes() == ["language no longer answers"]
    one.take({"language": None})
    one.take({"language": [SILENT]})
    assert one.changes() == []


def test_after_a_restart_what_was_not_told_is_counted_anew():
    one = watch()
    for _ in range(LASTING_LOOKS - 1):
        one.take({"language": [LACKING]})
    one.forget()
    one.take({"language": [LACKING]})
    assert one.changes() == []
