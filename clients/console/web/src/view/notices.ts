// What the mesh says beside an answer, in its own words.
import { html, nothing, type TemplateResult } from "lit";

import type { Notice, Provenance } from "../gen/medmesh/common/v1/answer_pb";
import { WeightsVerification } from "../gen/medmesh/common/v1/answer_pb";
import { short } from "../format";
import { t } from "../words";

const MAX_PLACES = 3;

export function notices(all: readonly Notice[]): TemplateResult | typeof nothing {
  if (all.length === 0) return nothing;
  const urgentFirst = [...all].sort((a, b) => Number(b.reviewRequired) - Number(a.reviewRequired));
  return html`<ul class="notices">
    ${urgentFirst.map(
      (one) => html`<li class=${one.reviewRequired ? "notice review" : "notice"}>
        <span class="tag">${one.reviewRequired ? t("notice.review") : t("notice.note")}</span>
        <span lang="en">${one.message || one.reason}${places(one)}</span>
      </li>`,
    )}
  </ul>`;
}

function places(one: Notice): string {
  if (one.places.length === 0) return "";
  const further = (one.placeCount ?? one.places.length) - Math.min(MAX_PLACES, one.places.length);
  const said = one.places.slice(0, MAX_PLACES).join(", ");
  return ` (${said}${further > 0 ? `, +${further}` : ""})`;
}

export function provenance(one: Provenance | undefined): TemplateResult | typeof nothing {
  if (!one) return nothing;
  const unproven = one.weightsVerification === WeightsVerification.STATED;
  const parts = [
    one.cardVersion && t("provenance.card", { version: one.cardVersion }),
    one.weightsSha256 && t("provenance.weights", { digest: short(one.weightsSha256) }),
    one.runtime,
    unproven ? t("provenance.unproven") : "",
  ].filter(Boolean);
  return html`<p class="provenance">
    <a href=${`#/models/${encodeURIComponent(one.modelName)}`}>${one.modelName}</a> ${parts.join(" · ")}
  </p>`;
}
