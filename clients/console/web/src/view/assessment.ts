// The fused assessment: each condition's probability, and how prior and evidence lead there, in log-odds.
import { html, nothing, type TemplateResult } from "lit";

import {
  Branch_Kind,
  Branch_State,
  Completeness,
  Source,
  type Branch,
  type ConditionAssessment,
  type Contribution,
  type Diagnosis,
  type Disagreement,
} from "../gen/medmesh/orchestrator/v1/orchestrator_pb";
import { codeOf, labelName, nameOf, percent, signed } from "../format";
import { t, valueOf } from "../words";
import { evidenceWords, wayTo } from "./evidence";
import { notices } from "./notices";

const WIDEST = 5.5; // log-odds at either end of the track: 0.4 % and 99.6 %
const MAX_HEADLINE = 4;
const TICKS = [0.01, 0.1, 0.5, 0.9, 0.99];

export function verdict(diagnosis: Diagnosis): TemplateResult {
  const complete = diagnosis.completeness === Completeness.COMPLETE;
  const calm = complete && !diagnosis.reviewRequired;
  return html`<section class=${`verdict panel ${calm ? "" : "alert"}`} aria-labelledby="verdict-title">
    <h2 id="verdict-title">
      <span class=${`badge ${complete ? "good" : "warn"}`}>${complete ? t("verdict.complete") : t("verdict.partial")}</span>
      ${diagnosis.reviewRequired ? html`<span class="badge warn">${t("verdict.review")}</span>` : nothing}
      <span class="verdict-words">${diagnosis.reviewRequired ? t("verdict.review_words") : t("verdict.every_answer")}</span>
    </h2>
    ${headline(diagnosis)} ${missing(diagnosis.branches)} ${diagnosis.disagreements.map((one) => disagreement(one, diagnosis))} ${notices(diagnosis.notices)}
  </section>`;
}

/** The most probable conditions, to be read first. */
function headline(diagnosis: Diagnosis): TemplateResult | typeof nothing {
  const first = diagnosis.assessments.slice(0, MAX_HEADLINE);
  if (first.length === 0) return nothing;
  return html`<ul class="headline">
    ${first.map(
      (one) => html`<li>
        <strong>${percent(one.probability)}</strong>
        <span>${nameOf(one.condition)}</span>
      </li>`,
    )}
  </ul>`;
}

/** Each branch that failed: why, and what that does to the answer. */
function missing(branches: Branch[]): TemplateResult | typeof nothing {
  const failed = branches.filter(({ state }) => state === Branch_State.FAILED);
  if (failed.length === 0) return nothing;
  return html`<dl class="missing">
    ${failed.map(
      (one) => html`<dt>${t("verdict.missing", { branch: valueOf("branch", Branch_Kind[one.kind] ?? "") })}</dt>
        <dd lang="en">${one.message || one.reason} ${one.effect}</dd>`,
    )}
  </dl>`;
}

function disagreement(one: Disagreement, diagnosis: Diagnosis): TemplateResult {
  const side = (word: "disagreement.for" | "disagreement.against", reference: Disagreement["supporting"]) => {
    const go = wayTo(reference, diagnosis);
    const words = evidenceWords(reference, diagnosis);
    return html`<dt>${t(word)}</dt>
      <dd>${go ? html`<button class="link" @click=${go}>${words}</button>` : words}</dd>`;
  };
  return html`<div class="disagreement" role="note">
    <h3>${t("disagreement.title", { condition: nameOf(one.condition) })}</h3>
    <p lang="en">${one.message}</p>
    <dl>${side("disagreement.for", one.supporting)} ${side("disagreement.against", one.opposing)}</dl>
  </div>`;
}

export function assessments(diagnosis: Diagnosis): TemplateResult {
  return html`<section class="assessments panel" aria-labelledby="assessment-title">
    <header>
      <h2 id="assessment-title">${t("assessment.title")}</h2>
      <p class="sub">${t("assessment.sub")}</p>
    </header>
    ${diagnosis.assessments.length === 0 ? html`<p>${t("assessment.none")}</p>` : scale()}
    ${diagnosis.assessments.map((one) => assessment(one, diagnosis))}
  </section>`;
}

function scale(): TemplateResult {
  return html`<div class="evidence-row scale" aria-hidden="true">
    <span></span>
    <span class="track axis">
      ${TICKS.map((p) => html`<span class="tick" .style=${`left:${place(logit(p))}%`}>${100 * p} %</span>`)}
    </span>
    <span class="number">${t("assessment.share")}</span>
    <span class="number">${t("assessment.without")}</span>
  </div>`;
}

function assessment(one: ConditionAssessment, diagnosis: Diagnosis): TemplateResult {
  const without = new Map(one.leaveOneOut.map((left) => [left.source, left.probability]));
  const inOrder = [...one.contributions].sort((a, b) => a.source - b.source);
  let sum = 0;
  const rows = inOrder.map((contribution) => {
    const from = contribution.source === Source.PRIOR ? 0 : sum;
    sum += contribution.logOdds;
    return row(contribution, from, sum, without.get(contribution.source), diagnosis);
  });
  return html`<article class="assessment">
    <h3>
      <span class="condition">${nameOf(one.condition)}</span>
      <span class="code">${codeOf(one.condition)}</span>
      <span class="probability">${percent(one.probability)}</span>
      <span class="interval"
        >${t("assessment.interval", { low: percent(one.probabilityLow), high: percent(one.probabilityHigh) })}</span
      >
    </h3>
    <div class="evidence" role="table" aria-label=${t("assessment.table", { condition: nameOf(one.condition) })}>
      ${rows} ${total(one, sum)}
    </div>
    ${one.broaderCondition ? html`<p class="sub">${t("assessment.among", { condition: nameOf(one.broaderCondition) })}</p>` : nothing}
    ${one.uncounted.map(
      (further) => html`<p class="sub">
        ${t("assessment.uncounted", { what: evidenceWords(further.evidence, diagnosis), adds: signed(further.logOdds) })}
      </p>`,
    )}
  </article>`;
}

function row(
  one: Contribution,
  from: number,
  to: number,
  without: number | undefined,
  diagnosis: Diagnosis,
): TemplateResult {
  const prior = one.source === Source.PRIOR;
  const source = Source[one.source]?.toLowerCase() ?? "";
  const go = wayTo(one.evidence, diagnosis);
  const words = labelName(one.description);
  const [left, right] = [place(Math.min(from, to)), place(Math.max(from, to))];
  const bar = prior ? `left:${place(to)}%` : `left:${left}%;width:${Math.max(0.4, right - left)}%`;
  const direction = one.logOdds < 0 ? "against" : "for";
  return html`<div class=${`evidence-row source-${source}`} role="row">
    <span class="what" role="cell">
      <span class="source">${valueOf("source", source)}</span>
      ${go ? html`<button class="link" @click=${go}>${words}</button>` : html`<span class="words">${words}</span>`}
    </span>
    <span class="track" role="cell">
      <span class=${prior ? "mark" : `bar ${direction}`} .style=${bar}></span>
      <span class=${`adds ${direction}`} .style=${addsPlace(prior, one.logOdds, left, right, to)}>${signed(one.logOdds)}</span>
    </span>
    <span class="number" role="cell">${prior ? "" : `${(100 * one.share).toFixed(0)} %`}</span>
    <span class="number" role="cell">${without === undefined ? "" : percent(without)}</span>
  </div>`;
}

/** The number stands where the bar points to, or on the other side where there is no room. */
function addsPlace(prior: boolean, adds: number, left: number, right: number, to: number): string {
  if (prior) return `left:calc(${place(to)}% + 0.5rem)`;
  const ahead = adds >= 0 ? right < 82 : left > 18;
  const rightwards = adds >= 0 === ahead;
  return rightwards ? `left:calc(${right}% + 0.35rem)` : `right:calc(${100 - left}% + 0.35rem)`;
}

function total(one: ConditionAssessment, sum: number): TemplateResult {
  const [low, high] = [place(logit(one.probabilityLow)), place(logit(one.probabilityHigh))];
  const at = one.broaderCondition ? place(sum) : place(logit(one.probability));
  return html`<div class="evidence-row total" role="row">
    <span class="what" role="cell"><span class="source">${t("assessment.together")}</span></span>
    <span class="track" role="cell">
      ${one.broaderCondition
        ? nothing
        : html`<span class="range" .style=${`left:${low}%;width:${Math.max(0.4, high - low)}%`}></span>`}
      <span class="dot" .style=${`left:${at}%`}></span>
    </span>
    <span class="number" role="cell"></span>
    <span class="number" role="cell"></span>
  </div>`;
}

function place(logOdds: number): number {
  return (100 * (Math.min(WIDEST, Math.max(-WIDEST, logOdds)) + WIDEST)) / (2 * WIDEST);
}

function logit(p: number): number {
  const inside = Math.min(1 - 1e-9, Math.max(1e-9, p));
  return Math.log(inside / (1 - inside));
}
