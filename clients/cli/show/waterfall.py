"""A trace as a waterfall: its spans as a tree, each with a bar where it lies in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.text import Text

from clients.cli.show import marks
from medmesh.common.v1 import trace_pb2 as pb

BAR_CELLS = 36
NAME_CELLS = 48
STYLES = ("cyan", "green", "magenta", "yellow", "blue")
"""Of the services, in the order in which they appear."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def waterfall(trace: pb.GetTraceResponse) -> Iterator[RenderableType]:
    """The spans, longest first where two begin together, and what is missing of them."""
    if not trace.spans:
        yield marks.indented(Text("The mesh keeps no spans of this call.", style="yellow"))
        return
    begin = min(_begin_ns(span) for span in trace.spans)
    whole = max(_end_ns(span) for span in trace.spans) - begin or 1
    services = list(dict.fromkeys(span.service for span in trace.spans))
    style = {name: STYLES[index % len(STYLES)] for index, name in enumerate(services)}
    yield marks.heading("Trace", f"{len(trace.spans)} spans, {whole / 1e6:.1f} ms", "dim")
    for depth, span in in_order(trace.spans):
        yield _row(span, depth, (_begin_ns(span) - begin) / whole, whole, style[span.service])
    for name in trace.unreachable_services:
        yield marks.indented(Text(f"The spans of {name} are missing: it could not be asked.", style="yellow"))
    if trace.dropped_span_count:
        yield marks.indented(Text(f"{trace.dropped_span_count} spans were not kept.", style="yellow"))


def in_order(spans: Sequence[pb.Span]) -> Iterator[tuple[int, pb.Span]]:
    """Each span after the one that it is part of, with its depth; siblings as they began."""
    ids = {span.span_id for span in spans}
    children: dict[str, list[pb.Span]] = {}
    for span in sorted(spans, key=lambda span: (_begin_ns(span), -span.duration.ToNanoseconds())):
        parent = span.parent_span_id if span.parent_span_id in ids else ""
        children.setdefault(parent, []).append(span)
    waiting = [(0, span) for span in reversed(children.get("", ()))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(children.pop(span.span_id, []))]


def label(span: pb.Span) -> str:
    """What a span is, in few words: `imaging AnalyzeImage`, `→ ReadRecord`, `→ chest_xray (Triton)`."""
    short = span.name.rpartition("/")[2]
    model = _model(span.attributes)
    if span.kind == pb.Span.KIND_CLIENT:
        return f"→ {model} (Triton)" if model else f"→ {short}"
    service = span.service.removeprefix("medmesh-")
    if span.kind == pb.Span.KIND_SERVER or service == "triton":
        return f"{service} {short}"
    return short


def _model(attributes: Mapping[str, str]) -> str:
    return attributes.get("medmesh.model.name", "")


def _row(span: pb.Span, depth: int, start: float, whole_ns: int, style: str) -> Text:
    failed = f": {span.error_type}" if span.error_type else ""
    name = Text("  " * depth + label(span) + failed)
    name.truncate(NAME_CELLS, overflow="ellipsis", pad=True)
    if span.error_type:
        name.stylize("bold red")
    ms = span.duration.ToNanoseconds() / 1e6
    return Text.assemble(
        "  ",
        name,
        " ",
        (_bar(start, span.duration.ToNanoseconds() / whole_ns), "red" if span.error_type else style),
        f"{ms:9.1f} ms",
    )


def _bar(start: float, share: float) -> str:
    """A bar that begins at `start` and is `share` long, of the whole width; at least a sliver of it shows."""
    first = min(int(start * BAR_CELLS), BAR_CELLS - 1)
    eighths = max(1, round(share * BAR_CELLS * 8))
    full, rest = divmod(eighths, 8)
    drawn = ("█" * full + (_EIGHTHS[rest] if rest else ""))[: BAR_CELLS - first]
    return " " * first + drawn + " " * (BAR_CELLS - first - len(drawn))


def _begin_ns(span: pb.Span) -> int:
    return span.start_time.ToNanoseconds()


def _end_ns(span: pb.Span) -> int:
    return _begin_ns(span) + span.duration.ToNanoseconds()
