// The treatments: how often patients with such a record were given them, what drives each, and what argues against it.
import { html, nothing, type TemplateResult } from "lit";

import {
  SafetyAlert_Kind,
  SafetyAlert_Severity,
  TreatmentKind,
  type RankedTreatment,
  type SafetyAlert,
  type TreatmentRanking,
} from "../gen/medmesh/recommendation/v1/recommendation_pb";
import { codeOf, nameOf, percent } from "../format";
import type { Run } from "../state";
import { t, valueOf } from "../words";
import { notices, provenance } from "./notices";

const MAX_DRIVERS = 3;

export function treatmentsPanel(run: Run): TemplateResult | typeof nothing {
  const ranking = run.diagnosis?.treatments;
  if (!ranking) return nothing;
  return html`<section class="treatments panel" aria-labelledby="treatments-title">
    <header>
      <h2 id="treatments-title">${t("treatments.title")}</h2>
      <p class="sub">${t("treatments.sub")}</p>
    </header>
    <ol class="ranked">
      ${ranking.treatments.map(treatment)}
    </ol>
    ${unknown(ranking)} ${notices(ranking.notices)} ${provenance(ranking.provenance)}
  </section>`;
}

function treatment(one: RankedTreatment): TemplateResult {
  const drivers = one.drivers.slice(0, MAX_DRIVERS);
  return html`<li class=${one.contraindicated ? "treatment contraindicated" : "treatment"}>
    <div class="treatment-line">
      <span class="treatment-name">${nameOf(one.treatment)}</span>
      <span class="meter" aria-hidden="true"><span .style=${`width:${100 * one.score}%`}></span></span>
      <span class="number">${percent(one.score)}</span>
    </div>
    <p class="code">${valueOf("treatment_kind", TreatmentKind[one.kind] ?? "")} · ${codeOf(one.treatment)}</p>
    ${drivers.length > 0
      ? html`<p class="sub">
          ${t("treatments.because")}
          ${drivers.map(
            ({ entry, contribution }, i) =>
              html`${i > 0 ? ", " : ""}<span class="driver" title=${entry?.place ?? ""}>${nameOf(entry?.concept)}</span>
                <span class="number">${(100 * contribution).toFixed(1).replace("-", "−")}</span>`,
          )}
        </p>`
      : nothing}
    ${one.alerts.map(alert)}
  </li>`;
}

function alert(one: SafetyAlert): TemplateResult {
  const severity = SafetyAlert_Severity[one.severity] ?? "";
  return html`<div class=${`safety s-${severity.toLowerCase()}`}>
    <p>
      <span class="badge">${valueOf("severity", severity)}</span>
      <strong>${valueOf("alert", SafetyAlert_Kind[one.kind] ?? "")}${one.trigger ? `: ${nameOf(one.trigger.concept)}` : ""}</strong>
    </p>
    <p lang="en">${one.explanation}</p>
    <p class="sub" lang="en">${one.source}</p>
  </div>`;
}

function unknown(ranking: TreatmentRanking): TemplateResult | typeof nothing {
  const names = ranking.unknownConditions.map(({ concept }) => nameOf(concept));
  return names.length === 0 ? nothing : html`<p class="sub">${t("treatments.unknown", { conditions: names.join(", ") })}</p>`;
}
