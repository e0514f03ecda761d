// The models: which there are and whether they answer; of one its card, its figures by subgroup, its calibration.
import { html, nothing, type TemplateResult } from "lit";

import type { ModelSummary } from "../gen/medmesh/common/v1/catalog_pb";
import type { Metric, ModelCard } from "../gen/medmesh/common/v1/model_card_pb";
import type { Calibration } from "../gen/medmesh/common/v1/serving_pb";
import { labelName, short } from "../format";
import { state } from "../state";
import { t } from "../words";
import { calibrationPlot, forest } from "./plots";

export function modelsPage(): TemplateResult {
  const glance = state.glances.findLast((one) => !one.failure);
  const models = glance?.models ?? [];
  const services = [...new Set(models.map(({ service }) => service))];
  return html`<div class="models">
    <nav class="panel model-list" aria-label=${t("models.list")}>
      <h1>${t("models.title")}</h1>
      ${models.length === 0 ? html`<p class="sub">${t("models.none")}</p>` : nothing}
      ${services.map(
        (service) => html`<h2>${service}</h2>
          <ul>
            ${models.filter((one) => one.service === service).map(entry)}
          </ul>`,
      )}
    </nav>
    <div class="model-card-place">${cardPlace()}</div>
  </div>`;
}

function entry(one: ModelSummary): TemplateResult {
  return html`<li>
    <a href=${`#/models/${encodeURIComponent(one.name)}`} aria-current=${one.name === state.modelName ? "page" : nothing}>
      <span class=${`dot ${one.ready ? "good" : "bad"}`} aria-hidden="true"></span>
      <span class="model-name">${one.name}</span>
      <span class="sub">${one.ready ? `${labelName(one.task)} · ${one.cardVersion}` : one.reason || t("models.not_ready")}</span>
    </a>
  </li>`;
}

function cardPlace(): TemplateResult {
  if (!state.modelName) return html`<p class="panel sub">${t("models.choose")}</p>`;
  if (state.cardFailure) return html`<p class="panel failure" role="alert" lang="en">${state.cardFailure.message}</p>`;
  if (state.card?.name !== state.modelName) return html`<p class="panel sub" role="status">${t("models.loading")}</p>`;
  return card(state.card);
}

function card(one: ModelCard): TemplateResult {
  const calibration = calibrationOf(one);
  return html`<article class="panel model-card" aria-labelledby="card-title" lang="en">
    <header>
      <h2 id="card-title">${one.name}</h2>
      <p class="sub">${one.version} · ${one.licence} · ${one.precision.split(/[;,.]/)[0]} · SHA-256 ${short(one.weightsSha256)}</p>
    </header>
    <p class="lead">${one.summary}</p>
    ${paragraph("models.intended_use", one.intendedUse)} ${figures(one.metrics)}
    <h3 lang=${document.documentElement.lang}>${t("models.calibration")}</h3>
    ${calibration && calibration.curves.length > 0 ? calibrationPlot(calibration) : nothing}
    <p>${one.calibration || "–"}</p>
    ${list("models.limitations", one.limitations)} ${paragraph("models.architecture", one.architecture)}
    ${list("models.data", one.datasets.map((data) => [data.name, data.population, data.source, data.licence].filter(Boolean).join(". ")))}
    ${paragraph("models.reproduce", one.reproduce)}
    ${list("models.changes", one.changelog.map(({ version, description }) => `${version}: ${description}`))}
  </article>`;
}

function paragraph(word: "models.intended_use" | "models.architecture" | "models.reproduce", text: string) {
  return text ? html`<h3 lang=${document.documentElement.lang}>${t(word)}</h3><p>${text}</p>` : nothing;
}

function list(word: "models.limitations" | "models.data" | "models.changes", texts: string[]) {
  if (texts.length === 0) return nothing;
  return html`<h3 lang=${document.documentElement.lang}>${t(word)}</h3>
    <ul class="texts">
      ${texts.map((text) => html`<li>${text}</li>`)}
    </ul>`;
}

/** A plot for each figure that has subgroups, by what it was measured on; the others in a table. */
function figures(metrics: Metric[]): TemplateResult | typeof nothing {
  if (metrics.length === 0) return nothing;
  const groups = [...Map.groupBy(metrics, (one) => `${one.name}\n${one.measuredOn}`).values()];
  const plotted = groups.filter((group) => group.length > 1);
  const single = groups.filter((group) => group.length === 1).flat();
  return html`<h3 lang=${document.documentElement.lang}>${t("models.figures")}</h3>
    ${single.length > 0
      ? html`<div class="scrolls" tabindex="0" role="region" aria-label=${t("models.figures")}>
          <table>
            <tbody>
              ${single.map(
                (one) => html`<tr>
                  <th scope="row">${labelName(one.name)}${one.subgroup ? ` (${one.subgroup})` : ""}</th>
                  <td class="number"><strong>${one.value.toFixed(3)}</strong></td>
                  <td class="number">${one.ciLow === undefined ? "" : `${one.ciLow.toFixed(3)}–${(one.ciHigh ?? 0).toFixed(3)}`}</td>
                  <td class="number">${one.caseCount ? `n ${one.caseCount}` : ""}</td>
                  <td class="sub">${one.measuredOn}</td>
                </tr>`,
              )}
            </tbody>
          </table>
        </div>`
      : nothing}
    ${plotted.length > 0
      ? html`<h3 lang=${document.documentElement.lang}>${t("models.subgroups")}</h3>
          ${plotted.map((group) => html`${forest(group[0]?.name ?? "", group)}<p class="sub">${group[0]?.measuredOn}</p>`)}`
      : nothing}`;
}

function calibrationOf(one: ModelCard): Calibration | undefined {
  const task = one.serving?.task.value;
  return task && "calibration" in task ? (task.calibration as Calibration | undefined) : undefined;
}
