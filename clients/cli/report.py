"""`medmesh report` and `medmesh summarize`: drafts of which each sentence names what it rests on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import Parse, ParseDict, ParseError

from clients.cli import diagnose, inputs, machine
from clients.cli.failures import ExitCode, explained, fail
from clients.cli.show import diagnosis as show_diagnosis
from clients.cli.show import draft as show
from clients.cli.show import marks
from medmesh import Client
from medmesh.language.v1 import report_pb2 as pb
from medmesh.orchestrator.v1 import orchestrator_pb2

Writer = Annotated[
    str | None,
    typer.Option("--writer", metavar="NAME", help="The model that writes. Default: the served one."),
]
TemplateOption = Annotated[
    str | None,
    typer.Option(
        "--template",
        metavar="NAME|FILE",
        help="Sections and headings: a template of the service (standard, impression_first), or a TOML file "
        "of your own.",
    ),
]


def report(
    evidence: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Evidence as JSON (ReportEvidence), or the answer.json of `medmesh diagnose --draft-report "
            "--output`. Without it the case is given as for `medmesh diagnose`.",
        ),
    ] = None,
    image: inputs.Images = None,
    note: inputs.NoteOption = None,
    patient: inputs.Patient = None,
    template: TemplateOption = None,
    writer: Writer = None,
    as_json: inputs.Json = False,
    url: inputs.Url = None,
    language_url: Annotated[
        str | None,
        typer.Option(
            "--language-url", metavar="HOST:PORT", help="The language service, which drafts from a FILE."
        ),
    ] = None,
    timeout: inputs.Timeout = 60.0,
) -> None:
    """Draft a report, from a case or from evidence, and show what each sentence rests on.

    A model writes; each of its sentences is read back and compared with the evidence. One that says more,
    less or the opposite is put into a fixed form or dropped, and shown as such. It is a draft: review it.

    Examples:
      medmesh report --image samples/chest_xray.dcm --note samples/note.txt --patient samples/patient.json

      medmesh report evidence.json --template impression_first --json
    """
    with explained():
        options = _options(template, writer)
        if evidence is not None:
            known = _evidence(evidence)
            with Client(url, language=language_url, timeout_s=timeout) as client:
                events = list(client.generate_report(known, options=options))
            answer = orchestrator_pb2.ReportDraft(draft=_draft(events), evidence=known)
        else:
            with inputs.client(url, timeout) as client:
                text = inputs.note_text(note)
                case = diagnose.case_of(image, text, patient, None, None, None)
                diagnosis = diagnose.ask(client, case | {"draft_report": options})
            if not diagnosis.HasField("report"):
                marks.present(show_diagnosis.branch(one) for one in diagnosis.branches)
                fail("no report was drafted: see why above.", ExitCode.PARTIAL)
            answer = diagnosis.report
        if as_json:
            machine.write(answer)
        else:
            marks.present(show.draft(answer.draft, show.items(answer.evidence)))


def summarize(
    text: Annotated[str, typer.Argument(metavar="FILE|-", help="Findings or a note: a UTF-8 file, or -.")],
    note: Annotated[
        bool, typer.Option("--note", help="It is a note: summarise it in a sentence or two.")
    ] = False,
    writer: Writer = None,
    as_json: inputs.Json = False,
    url: inputs.ServiceUrl = None,
    timeout: inputs.Timeout = 60.0,
) -> None:
    """Draft the impression of a report's findings, or the summary of a note, sentence by sentence with the
    words that each rests on.

    Examples:
      echo "The heart is enlarged. The lungs are clear." | medmesh summarize -

      medmesh summarize samples/note.txt --note
    """
    kind = pb.SummarizeRequest.KIND_SUMMARY if note else pb.SummarizeRequest.KIND_IMPRESSION
    with explained(), Client(language=url, timeout_s=timeout) as client:
        content = inputs.note_text(text)
        answer = _draft(list(client.summarize(content, kind=kind, model=writer or "")))
    if as_json:
        machine.write(answer)
        return
    title = "Draft summary" if note else "Draft impression"
    marks.present(show.draft(answer, show.spans(content), title))


def _draft(events: list[Any]) -> pb.Draft:
    if not events or not isinstance(events[-1], pb.Draft):
        fail("the mesh ended the stream without a draft.", ExitCode.FAILED)
    draft: pb.Draft = events[-1]
    return draft


def _options(template: str | None, writer: str | None) -> pb.ReportOptions:
    options = pb.ReportOptions(model=writer or "")
    if template is None:
        return options
    if template.endswith(".toml"):
        options.template.CopyFrom(_template(Path(template)))
    else:
        options.template_name = template
    return options


def _template(path: Path) -> pb.ReportTemplate:
    """A template's file: `style`, and `[[sections]]` with kind, heading, when_empty."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        sections = [one | {"kind": f"REPORT_SECTION_{one['kind'].upper()}"} for one in table.pop("sections")]
        style = f"SECTION_STYLE_{table.pop('style', 'prose').upper()}"
        return ParseDict({"sections": sections, "style": style, **table}, pb.ReportTemplate())
    except (AttributeError, KeyError, TypeError, ParseError):
        raise ValueError(
            f"{path} is no template: it has `style` (prose or list) and [[sections]] with kind and heading"
        ) from None


def _evidence(path: Path) -> pb.ReportEvidence:
    """The evidence of a file. ValueError: it has none; nothing of it is quoted."""
    content = path.read_text(encoding="utf-8")
    try:
        answer = Parse(content, orchestrator_pb2.Diagnosis(), ignore_unknown_fields=True)
        if answer.report.evidence.items:
            return answer.report.evidence
    except ParseError:
        pass
    try:
        return Parse(content, pb.ReportEvidence())
    except ParseError:
        raise ValueError(
            f"{path} has no evidence: give a ReportEvidence as JSON, or the answer.json of "
            "`medmesh diagnose --draft-report --output`"
        ) from None
