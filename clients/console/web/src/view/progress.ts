// The branches of a request, each as it ends.
import { html, nothing, type TemplateResult } from "lit";

import { Branch_Kind, Branch_State } from "../gen/medmesh/orchestrator/v1/orchestrator_pb";
import { milliseconds, time } from "../format";
import { update, type EndedBranch, type Run } from "../state";
import { t, valueOf } from "../words";

interface Lane {
  kind: Branch_Kind;
  index?: number;
  ended?: EndedBranch;
}

export function progress(run: Run): TemplateResult {
  const lanes = lanesOf(run);
  const scale = Math.max(run.elapsedMs, 1);
  return html`<section class="progress panel" aria-labelledby="progress-title">
    <h2 id="progress-title" class="visually-hidden" tabindex="-1">${t("progress.title")}</h2>
    <ol class="lanes">
      ${lanes.map((lane) => laneRow(lane, run, scale, lanes))}
    </ol>
    <p class="visually-hidden" role="status">${spokenState(run)}</p>
  </section>`;
}

/** The branches that the case asks for, and what has come of each. */
function lanesOf(run: Run): Lane[] {
  const { images, note, record, draftReport } = run.case;
  const asked: Lane[] = [
    ...images.map((_, index) => ({ kind: Branch_Kind.IMAGE, index })),
    ...(note.trim() ? [{ kind: Branch_Kind.NOTE }] : []),
    ...(record ? [{ kind: Branch_Kind.RECORD }, { kind: Branch_Kind.TREATMENTS }] : []),
    ...(draftReport ? [{ kind: Branch_Kind.REPORT }] : []),
  ];
  return asked.map((lane) => ({
    ...lane,
    ended: run.ended.find(({ branch }) => branch.kind === lane.kind && (lane.index ?? 0) === (branch.index ?? 0)),
  }));
}

function laneRow(lane: Lane, run: Run, scale: number, lanes: Lane[]): TemplateResult {
  const branch = lane.ended?.branch;
  const took = milliseconds(branch?.elapsed);
  const from = lane.ended ? Math.max(0, lane.ended.atMs - took) : 0;
  const failed = branch?.state === Branch_State.FAILED;
  const status = branch ? Branch_State[branch.state] : run.running ? "running" : "not_answered";
  const bar = lane.ended
    ? `left:${(100 * from) / scale}%;width:${Math.max(0.6, (100 * took) / scale)}%`
    : "left:0;width:100%";
  const laneClass = failed ? "failed" : branch ? "ended" : run.running ? "waiting" : "failed";
  return html`<li class=${`lane ${laneClass}`}>
    <span class="lane-name">${laneName(lane, lanes)}</span>
    <span class="lane-track" aria-hidden="true"><span class="lane-bar" .style=${bar}></span></span>
    <span class="lane-state">${valueOf("branch_state", status ?? "")}</span>
    <span class="lane-time">${branch ? time(took) : ""}</span>
    ${failed && !run.diagnosis
      ? html`<span class="lane-why" lang="en">${branch?.message || branch?.reason} ${branch?.effect}</span>`
      : nothing}
  </li>`;
}

function laneName(lane: Lane, lanes: Lane[]): string {
  const several = lanes.filter(({ kind }) => kind === lane.kind).length > 1;
  const name = valueOf("branch", Branch_Kind[lane.kind] ?? "");
  return several ? `${name} ${(lane.index ?? 0) + 1}` : name;
}

/** Stands where the verdict will. */
export function waiting(run: Run): TemplateResult {
  const lanes = lanesOf(run);
  const ended = lanes.filter((lane) => lane.ended).length;
  return html`<section class="verdict panel waiting-panel" aria-hidden="true">
    <p class="verdict-words">${t("progress.count", { ended, asked: lanes.length })}</p>
    <p class="sub">${t("progress.waiting")}</p>
  </section>`;
}

function spokenState(run: Run): string {
  if (run.failure) return t("progress.failed");
  if (run.diagnosis) return t("progress.done", { time: time(run.elapsedMs) });
  const last = run.ended.at(-1)?.branch;
  if (!last) return t("progress.running");
  const name = valueOf("branch", Branch_Kind[last.kind] ?? "");
  return `${name}: ${valueOf("branch_state", Branch_State[last.state] ?? "")}`;
}

export function failureBox(run: Run): TemplateResult | typeof nothing {
  const { failure } = run;
  if (!failure) return nothing;
  return html`<section class="failure panel" role="alert">
    <h2>${failure.needsSession ? t("failure.session") : t("failure.title")}</h2>
    <p lang="en">${failure.message}</p>
    ${failure.fields.map(({ field, description }) => html`<p lang="en"><code>${field}</code> ${description}</p>`)}
    <p class="provenance">${failure.reason} ${failure.requestId ? t("failure.request", { id: failure.requestId }) : ""}</p>
    ${failure.needsSession
      ? html`<button class="button" @click=${() => update({ dialog: "session" })}>${t("session.open")}</button>`
      : nothing}
  </section>`;
}
