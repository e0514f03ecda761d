// The draft of a report, each sentence with what it rests on, and the sentences that did not stand.
import { html, nothing, type TemplateResult } from "lit";

import {
  DropReason,
  EvidenceSource,
  FindingStatus,
  ReportSection,
  SentenceOrigin,
  Side,
  type DraftSentence,
  type EvidenceItem,
  type ReportEvidence,
} from "../gen/medmesh/language/v1/report_pb";
import type { Diagnosis } from "../gen/medmesh/orchestrator/v1/orchestrator_pb";
import type { Run } from "../state";
import { t, valueOf } from "../words";
import { reveal, showEntity, wayTo } from "./evidence";
import { notices, provenance } from "./notices";

export function reportPanel(run: Run): TemplateResult | typeof nothing {
  const report = run.diagnosis?.report;
  const sentences = report?.draft?.sentences ?? run.sentences;
  if (sentences.length === 0 && !report) return nothing;
  const sections = [...new Set(sentences.map(({ section }) => section))];
  return html`<section class="report panel" id="report-panel" aria-labelledby="report-title">
    <header>
      <h2 id="report-title">${t("report.title")}</h2>
      <span class="badge warn">${t("report.mark")}</span>
    </header>
    ${sentences.length === 0 ? html`<p>${t("report.empty")}</p>` : nothing}
    ${sections.map(
      (section) => html`<h3 class="report-section">${valueOf("section", ReportSection[section] ?? "")}</h3>
        <ul class="sentences">
          ${sentences
            .filter((one) => one.section === section)
            .map((one) => sentence(one, report?.evidence, run.diagnosis))}
        </ul>`,
    )}
    ${run.running && !report ? html`<p class="sub writing">${t("report.writing")}</p>` : nothing} ${dropped(run.diagnosis)}
    ${notices(report?.draft?.notices ?? [])} ${provenance(report?.draft?.provenance)}
  </section>`;
}

function sentence(one: DraftSentence, evidence: ReportEvidence | undefined, diagnosis: Diagnosis | undefined): TemplateResult {
  const origin =
    one.origin === SentenceOrigin.REWRITTEN ? t("report.rewritten") : one.origin === SentenceOrigin.ADDED ? t("report.added") : "";
  return html`<li class="sentence">
    <span lang="en">${one.text}</span> ${origin ? html`<span class="origin">${origin}</span>` : nothing}
    <span class="support">
      ${one.support.map(({ evidence: rests }) => {
        const item = rests.case === "itemIndex" ? evidence?.items[rests.value] : undefined;
        return item ? chip(item, diagnosis) : nothing;
      })}
    </span>
  </li>`;
}

function chip(item: EvidenceItem, diagnosis: Diagnosis | undefined): TemplateResult {
  const source = EvidenceSource[item.source]?.toLowerCase() ?? "";
  const words = `${valueOf("source", source)}: ${itemWords(item)}`;
  const go = diagnosis && wayToItem(item, diagnosis);
  return go
    ? html`<button class=${`chip source-${source}`} title=${item.reference} @click=${go}>${words}</button>`
    : html`<span class=${`chip source-${source}`} title=${item.reference}>${words}</span>`;
}

function itemWords({ content }: EvidenceItem): string {
  switch (content.case) {
    case "finding": {
      const { status, side, severity, name, region } = content.value;
      const sideWord = side ? (Side[side]?.toLowerCase() ?? "") : "";
      return [valueOf("finding_status", FindingStatus[status] ?? ""), sideWord, severity, name, region].filter(Boolean).join(" ");
    }
    case "measurement":
      return `${content.value.name} ${content.value.value?.value ?? ""} ${content.value.value?.unit ?? ""}`.trim();
    case "medication":
      return `${content.value.name} ${content.value.dose}`.trim();
    case "normalStudy":
    case "disagreement":
      return content.value.name;
    case "indication":
    case "recommendation":
      return content.value.text;
    default:
      return "?";
  }
}

/** The places that `reference` names: `assessments[2]`, `disagreements[0]`, `note clinical_ner entities[3]`. */
function wayToItem({ reference }: EvidenceItem, diagnosis: Diagnosis): (() => void) | undefined {
  const entity = /^note (\S+) entities\[(\d+)\]$/.exec(reference);
  if (entity) {
    const resultIndex = diagnosis.note?.results.findIndex((one) => one.provenance?.modelName === entity[1]) ?? -1;
    return resultIndex < 0 ? undefined : () => showEntity(resultIndex, Number(entity[2]));
  }
  const assessment = /^assessments\[(\d+)\]/.exec(reference);
  if (assessment) {
    const strongest = diagnosis.assessments[Number(assessment[1])]?.contributions.find((one) => wayTo(one.evidence, diagnosis));
    return wayTo(strongest?.evidence, diagnosis) ?? (() => reveal("assessment-title"));
  }
  if (reference.startsWith("disagreements[")) return () => reveal("verdict-title");
  return undefined;
}

function dropped(diagnosis: Diagnosis | undefined): TemplateResult | typeof nothing {
  const draft = diagnosis?.report?.draft;
  if (!draft || draft.dropped.length === 0) return nothing;
  return html`<details class="more">
    <summary>${t("report.dropped", { count: draft.dropped.length, written: draft.counts?.writtenCount ?? 0 })}</summary>
    <ul class="dropped">
      ${draft.dropped.map(
        (one) => html`<li><span class="tag">${valueOf("drop", DropReason[one.reason] ?? "")}</span> <s lang="en">${one.text}</s></li>`,
      )}
    </ul>
  </details>`;
}
