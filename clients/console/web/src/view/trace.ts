// Where the time went: the spans of the request, or the branches where the mesh keeps none.
import { html, nothing, svg, type TemplateResult } from "lit";

import { Branch_Kind, Branch_State } from "../gen/medmesh/orchestrator/v1/orchestrator_pb";
import { milliseconds, time } from "../format";
import type { Run } from "../state";
import type { Span } from "../trace";
import { t, valueOf } from "../words";

const MAX_SPANS = 60;
const ROW = 20;
const NAMES = 38; // percent of the width

export function tracePanel(run: Run): TemplateResult | typeof nothing {
  if (!run.diagnosis) return nothing;
  const spans = (run.spans ?? branchesAsSpans(run)).slice(0, MAX_SPANS);
  const whole = Math.max(1, ...spans.map((span) => span.startMs + span.durationMs));
  return html`<section class="trace panel" aria-labelledby="trace-title">
    <header>
      <h2 id="trace-title">${t("trace.title")}</h2>
      <p class="sub">${t("trace.sub", { time: time(milliseconds(run.diagnosis.elapsed)) })}</p>
    </header>
    <svg class="waterfall" width="100%" height=${spans.length * ROW + 4} role="img" aria-label=${spokenTrace(spans)}>
      ${spans.map((span, i) => spanRow(span, i, whole))}
    </svg>
    ${run.spans ? nothing : html`<p class="sub">${t("trace.branches_only")}</p>`}
  </section>`;
}

function spanRow(span: Span, index: number, whole: number) {
  const width = 100 - NAMES - 10;
  const x = NAMES + (width * span.startMs) / whole;
  const w = Math.max(0.3, (width * span.durationMs) / whole);
  const y = index * ROW + 2;
  return svg`<g class=${span.failed ? "span failed" : `span service-${span.service}`}>
    <svg x="0" y=${y} width=${`${NAMES - 1}%`} height=${ROW}><text x=${span.depth * 8} y="13">${span.name.replace(/^medmesh\.\w+\.v1\./, "")}</text></svg>
    <rect x=${`${x}%`} y=${y + 3} width=${`${w}%`} height=${ROW - 8} rx="2"></rect>
    <text class="took" x=${`${Math.min(x + w + 0.7, 91)}%`} y=${y + 13}>${time(span.durationMs)}</text>
  </g>`;
}

function branchesAsSpans(run: Run): Span[] {
  return run.ended
    .filter(({ branch }) => branch.state !== Branch_State.NOT_REQUESTED)
    .map(({ branch, atMs }) => {
      const durationMs = milliseconds(branch.elapsed);
      return {
        name: valueOf("branch", Branch_Kind[branch.kind] ?? ""),
        service: Branch_Kind[branch.kind]?.toLowerCase() ?? "",
        depth: 0,
        startMs: Math.max(0, atMs - durationMs),
        durationMs,
        failed: branch.state === Branch_State.FAILED,
      };
    });
}

function spokenTrace(spans: Span[]): string {
  return spans.map((span) => `${span.name} ${time(span.durationMs)}`).join(", ");
}
