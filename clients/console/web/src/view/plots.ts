// The two plots of a card: figures with their intervals by subgroup, and what calibration does to a probability.
import { html, svg, type TemplateResult } from "lit";

import type { Metric } from "../gen/medmesh/common/v1/model_card_pb";
import type { Calibration, Calibration_Curve } from "../gen/medmesh/common/v1/serving_pb";
import { labelName } from "../format";
import { t } from "../words";

const SIZE = 220;
const STEPS = 50;
const LINES = 6; // colours that the style has

/** One figure for all and for each subgroup: a dot and its 95 % interval on a common axis. */
export function forest(name: string, metrics: Metric[]): TemplateResult {
  const values = metrics.flatMap((one) => [one.value, one.ciLow ?? one.value, one.ciHigh ?? one.value]);
  const [low, high] = axis(Math.min(...values), Math.max(...values));
  const x = (value: number) => `${(100 * (value - low)) / (high - low)}%`;
  return html`<div class="forest" role="table" aria-label=${name}>
    <div class="forest-row head" role="row">
      <span role="columnheader">${labelName(name)}</span>
      <span role="columnheader" class="forest-axis"><span>${low.toFixed(2)}</span><span>${high.toFixed(2)}</span></span>
      <span role="columnheader" class="number">${t("models.value")}</span>
      <span role="columnheader" class="number">n</span>
    </div>
    ${metrics.map(
      (one) => html`<div class=${one.subgroup ? "forest-row" : "forest-row all"} role="row">
        <span role="rowheader">${one.subgroup || t("models.all")}</span>
        <span role="cell" class="forest-track"
          ><svg width="100%" height="16" aria-hidden="true">
            ${one.ciLow === undefined || one.ciHigh === undefined
              ? svg``
              : svg`<line class="interval" x1=${x(one.ciLow)} x2=${x(one.ciHigh)} y1="8" y2="8"></line>`}
            <circle cx=${x(one.value)} cy="8" r="3.5"></circle></svg
        ></span>
        <span role="cell" class="number"
          >${one.value.toFixed(3)}${one.ciLow === undefined ? "" : html` <span class="sub">${one.ciLow.toFixed(3)}–${(one.ciHigh ?? 0).toFixed(3)}</span>`}</span
        >
        <span role="cell" class="number">${one.caseCount || ""}</span>
      </div>`,
    )}
  </div>`;
}

function axis(low: number, high: number): [number, number] {
  const room = Math.max(0.01, (high - low) * 0.1);
  return [low >= 0 ? Math.max(0, low - room) : low - room, high <= 1 ? Math.min(1, high + room) : high + room];
}

/** What the card's curves make of the model's own probabilities; the diagonal leaves them as they are. */
export function calibrationPlot(calibration: Calibration): TemplateResult {
  const curves = calibration.curves.slice(0, LINES);
  const at = (p: number) => 10 + p * (SIZE - 20);
  const points = (curve: Calibration_Curve) =>
    Array.from({ length: STEPS + 1 }, (_, i) => {
      const p = Math.min(0.999, Math.max(0.001, i / STEPS));
      const odds = curve.rise * Math.log(p) - curve.fall * Math.log(1 - p) + curve.offset;
      return `${at(p).toFixed(1)},${(SIZE - at(1 / (1 + Math.exp(-odds)))).toFixed(1)}`;
    }).join(" ");
  const name = (curve: Calibration_Curve) => labelName(curve.label) || t("models.every_label");
  return html`<figure class="calibration">
    <svg viewBox=${`0 0 ${SIZE} ${SIZE}`} role="img" aria-label=${t("models.calibration_plot", { labels: curves.map(name).join(", ") })}>
      <rect class="frame" x="10" y="10" width=${SIZE - 20} height=${SIZE - 20}></rect>
      <line class="diagonal" x1="10" y1=${SIZE - 10} x2=${SIZE - 10} y2="10"></line>
      ${curves.map((curve, i) => svg`<polyline class=${`curve c${i}`} points=${points(curve)}></polyline>`)}
    </svg>
    <figcaption class="sub">
      ${t("models.calibration_axes")} ${curves.map((curve, i) => html`<span class=${`key c${i}`}>${name(curve)}</span> `)}
    </figcaption>
  </figure>`;
}
