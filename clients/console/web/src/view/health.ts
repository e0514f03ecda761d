// The health of the mesh, as seen from this page: looked at every few seconds.
import { html, nothing, svg, type TemplateResult } from "lit";

import { time } from "../format";
import { state, type Glance } from "../state";
import { spoken, t } from "../words";

export type Health = "good" | "warn" | "bad" | "unknown";

export function healthOf(glance: Glance | undefined): Health {
  if (!glance) return "unknown";
  if (glance.failure) return glance.failure.needsSession ? "unknown" : "bad";
  const served = glance.models.filter((one) => one.ready).length;
  if (served === 0) return "bad";
  return glance.unreachable.length > 0 || served < glance.models.length ? "warn" : "good";
}

export function healthPage(): TemplateResult {
  const glance = state.glances.at(-1);
  const health = healthOf(glance);
  return html`<section class="panel health" aria-labelledby="health-title">
    <header>
      <h1 id="health-title">${t("health.title")}</h1>
      <span class=${`badge ${health}`} role="status">${t(`health.${health}`)}</span>
    </header>
    ${glance?.failure ? html`<p role="alert" lang="en">${glance.failure.message} (${glance.failure.reason})</p>` : nothing}
    ${glance ? html`<p class="sub">${t("health.looked", { at: new Date(glance.at).toLocaleTimeString(spoken() === "zh" ? "zh-CN" : "en-GB") })}</p>` : nothing}
    ${services(glance)} ${latency()}
  </section>`;
}

function services(glance: Glance | undefined): TemplateResult | typeof nothing {
  const last = state.glances.findLast((one) => !one.failure);
  if (!last) return nothing;
  const names = [...new Set([...last.models.map(({ service }) => service), ...last.unreachable])].sort();
  return html`<div class="services">
    ${names.map((name) => {
      const models = last.models.filter((one) => one.service === name);
      const down = glance?.failure !== undefined || last.unreachable.includes(name);
      const ready = models.filter((one) => one.ready).length;
      const standing = down ? "bad" : ready < models.length ? "warn" : "good";
      return html`<article class=${`service ${standing}`}>
        <h2><span class=${`dot ${standing}`} aria-hidden="true"></span>${name}</h2>
        <p>${down ? t("health.unreachable") : t("health.ready", { ready, count: models.length })}</p>
        <ul>
          ${models
            .filter((one) => !one.ready)
            .map((one) => html`<li class="sub" lang="en"><strong>${one.name}</strong> ${one.reason}</li>`)}
        </ul>
      </article>`;
    })}
  </div>`;
}

/** How long each look at the catalog took. */
function latency(): TemplateResult | typeof nothing {
  const { glances } = state;
  const last = glances.at(-1);
  if (!last) return nothing;
  const highest = Math.max(10, ...glances.map((one) => one.tookMs));
  const bars = glances.map((one, i) => {
    const height = (46 * one.tookMs) / highest;
    return svg`<rect class=${one.failure ? "failed" : ""} x=${i * 6} y=${48 - height} width="4" height=${Math.max(1, height)}></rect>`;
  });
  return html`<figure class="latency">
    <svg viewBox="0 0 360 48" role="img" aria-label=${t("health.latency", { time: time(last.tookMs) })}>${bars}</svg>
    <figcaption class="sub">${t("health.latency", { time: time(last.tookMs) })}</figcaption>
  </figure>`;
}
