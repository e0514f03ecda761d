"""How answers look in a notebook: HTML that Jupyter takes from an object by itself.

Importing a client is enough. What the mesh says is text, never markup: everything is escaped.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from medmesh import tables
from medmesh.common.v1.answer_pb2 import Notice
from medmesh.imaging.v1 import imaging_pb2 as imaging
from medmesh.language.v1 import language_pb2 as language
from medmesh.orchestrator.v1 import orchestrator_pb2 as pb
from medmesh.recommendation.v1 import recommendation_pb2 as recommendation

_OVERLAY_WIDTH_PX = 360


def diagnosis(answer: pb.Diagnosis) -> str:
    """The whole answer: what is missing first, then the assessment, the images, the note, the treatments."""
    whole = answer.completeness == pb.COMPLETENESS_COMPLETE
    standing = f"{'Complete' if whole else 'PARTIAL'}{' · review required' if answer.review_required else ''}"
    parts = [f"<h3>Diagnosis: {standing}</h3>", _notices(answer.notices)]
    for branch in answer.branches:
        if branch.state == pb.Branch.STATE_FAILED:
            kind = tables.name(pb.Branch.Kind, branch.kind, "KIND_")
            said = f"{branch.message or branch.reason} {branch.effect}"
            parts.append(f"<p><b>The {escape(kind)} is missing.</b> {escape(said)}</p>")
    parts += [f"<p><b>Disagreement.</b> {escape(one.message)}</p>" for one in answer.disagreements]
    parts.append(_table("Assessment", tables.assessments(answer), percent=("probability",)))
    parts += [image(one.analysis) for one in answer.images]
    parts.append(note(answer.note) if answer.HasField("note") else "")
    parts.append(treatments(answer.treatments) if answer.HasField("treatments") else "")
    if answer.HasField("report"):
        parts.append(f"<h4>Draft report</h4><pre>{escape(answer.report.draft.text)}</pre>")
    parts.append(f"<p><small>{escape(answer.intended_use)}</small></p>")
    return f"<div>{''.join(parts)}</div>"


def image(answer: imaging.ImageAnalysis) -> str:
    """Each model's findings, beside its overlay where one was asked for."""
    parts = [f"<h4>Image</h4>{_notices(answer.notices)}"]
    for result in answer.results:
        rows = [{"finding": one.label, "probability": one.probability} for one in result.findings]
        title = f"{result.provenance.model_name}{', which abstains' if result.abstained else ''}"
        overlay = _picture(result.overlay_png, f"overlay of {result.provenance.model_name}")
        parts.append(_table(title, rows, percent=("probability",)) + overlay + _notices(result.notices))
    return "".join(parts)


def note(answer: language.NoteAnalysis) -> str:
    """The entities as a table."""
    columns = ("text", "assertion", "triggers", "code", "confidence")
    rows = [{key: row[key] for key in columns} for row in tables.entities(answer)]
    return _table("Note", rows, percent=("confidence",)) + _notices(answer.notices)


def treatments(answer: recommendation.TreatmentRanking) -> str:
    """The treatments as a table; the score is how often patients with such records were given them."""
    return _table("Treatments", tables.treatments(answer), percent=("score",)) + _notices(answer.notices)


def attach() -> None:
    """Teaches the classes of the answers how they look. `_repr_html_` is the name that Jupyter asks for."""
    pb.Diagnosis._repr_html_ = diagnosis  # type: ignore[attr-defined]
    imaging.ImageAnalysis._repr_html_ = image  # type: ignore[attr-defined]
    language.NoteAnalysis._repr_html_ = note  # type: ignore[attr-defined]
    recommendation.TreatmentRanking._repr_html_ = treatments  # type: ignore[attr-defined]


def _table(title: str, rows: Sequence[tables.Row], *, percent: Iterable[str] = ()) -> str:
    if not rows:
        return f"<h4>{escape(title)}</h4><p>Nothing.</p>"
    head = "".join(f"<th>{escape(key.replace('_', ' '))}</th>" for key in rows[0])
    shares = set(percent)
    body = "".join(
        f"<tr>{''.join(_cell(value, share=key in shares) for key, value in row.items())}</tr>" for row in rows
    )
    return f"<h4>{escape(title)}</h4><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object, *, share: bool) -> str:
    if isinstance(value, bool):
        return f"<td>{'yes' if value else ''}</td>"
    if isinstance(value, float):
        return f"<td>{f'{value:.1%}' if share else f'{value:.2f}'}</td>"
    return f"<td>{escape(str(value))}</td>"


def _picture(png: bytes, title: str) -> str:
    if not png:
        return ""
    data = base64.b64encode(png).decode()
    alt = escape(title, quote=True)
    return f'<p><img width="{_OVERLAY_WIDTH_PX}" alt="{alt}" src="data:image/png;base64,{data}"></p>'


def _notices(notices: Iterable[Notice]) -> str:
    lines = [
        f"<li>{'<b>Review:</b> ' if one.review_required else ''}{escape(one.message or one.reason)}</li>"
        for one in notices
    ]
    return f"<ul>{''.join(lines)}</ul>" if lines else ""
