// The note with its entities, coloured by what it asserts of them; the chosen one with its triggers and codes.
import { html, nothing, type TemplateResult } from "lit";

import {
  Assertion,
  EntityOrigin,
  type Entity,
  type EntityReference,
  type NoteAnalysis,
} from "../gen/medmesh/language/v1/language_pb";
import { codeOf, labelName, nameOf, percent } from "../format";
import { state, update, type Run } from "../state";
import { t, valueOf } from "../words";
import { showEntity } from "./evidence";
import { notices, provenance } from "./notices";

/** A sign for each assertion, so that it does not hang on colour. */
const SIGNS: Record<number, string> = {
  [Assertion.PRESENT]: "+",
  [Assertion.ABSENT]: "−",
  [Assertion.POSSIBLE]: "?",
  [Assertion.HISTORICAL]: "↺",
  [Assertion.FAMILY]: "⌂",
  [Assertion.HYPOTHETICAL]: "~",
  [Assertion.ALLERGY]: "!",
};

interface Placed {
  at: EntityReference;
  entity: Entity;
}

export function notePanel(run: Run): TemplateResult | typeof nothing {
  const analysis = run.diagnosis?.note;
  if (!analysis) return nothing;
  const placed = entitiesOf(analysis);
  const chosen = placed.find(({ at }) => same(at, state.entity));
  return html`<section class="note panel" id="note-panel" aria-labelledby="note-title">
    <header>
      <h2 id="note-title">${t("note.title")}</h2>
      <p class="sub">${t("note.count", { count: placed.length })}</p>
    </header>
    ${legend(placed)}
    <p class="note-text" lang="en">${marked(run.case.note, placed, chosen?.entity)}</p>
    ${details(chosen?.entity)} ${table(placed)}
    ${analysis.results.filter((result) => result.labels.length > 0).map(
      (result) => html`<ul class="findings">
        ${result.labels.map(
          (label) => html`<li class="finding">
            <span class="finding-name">${labelName(label.name)}</span>
            <span class="meter" aria-hidden="true"><span .style=${`width:${100 * label.probability}%`}></span></span>
            <span class="number">${percent(label.probability)}</span>
            <span class="code">${codeOf(label.concepts[0])}</span>
          </li>`,
        )}
      </ul>`,
    )}
    ${notices([...analysis.notices, ...analysis.results.flatMap((result) => result.notices)])}
    ${analysis.results.map((result) => provenance(result.provenance))}
  </section>`;
}

/** One entity for each mention, in the order of the note. */
function entitiesOf(analysis: NoteAnalysis): Placed[] {
  return analysis.mentions
    .flatMap(({ entities: [at] }) => {
      const entity = at && analysis.results[at.resultIndex]?.entities[at.entityIndex];
      return entity ? [{ at, entity }] : [];
    })
    .sort((a, b) => a.entity.startOffset - b.entity.startOffset);
}

function same(a: EntityReference | undefined, b: EntityReference | undefined): boolean {
  return a !== undefined && a.resultIndex === b?.resultIndex && a.entityIndex === b.entityIndex;
}

function assertionWord(assertion: Assertion): string {
  return valueOf("assertion", Assertion[assertion] ?? "");
}

function legend(placed: Placed[]): TemplateResult {
  const used = [...new Set(placed.map(({ entity }) => entity.assertion))].sort();
  return html`<ul class="legend" aria-hidden="true">
    ${used.map(
      (one) => html`<li><span class=${`entity a-${Assertion[one]?.toLowerCase()}`}>${SIGNS[one] ?? ""} ${assertionWord(one)}</span></li>`,
    )}
  </ul>`;
}

/** The note, cut at entities and at the triggers of the chosen one. Offsets are in code points. */
function marked(note: string, placed: Placed[], chosen: Entity | undefined): (TemplateResult | string)[] {
  const points = Array.from(note);
  const text = (from: number, to: number) => points.slice(from, to).join("");
  const parts: (TemplateResult | string)[] = [];
  let at = 0;
  const plain = (to: number) => {
    parts.push(...triggered(at, to, chosen, text));
    at = to;
  };
  for (const one of placed) {
    if (one.entity.startOffset < at) continue; // within another one; the table below has it
    plain(one.entity.startOffset);
    parts.push(entityButton(one, text(one.entity.startOffset, one.entity.endOffset)));
    at = one.entity.endOffset;
  }
  plain(points.length);
  return parts;
}

function triggered(
  from: number,
  to: number,
  chosen: Entity | undefined,
  text: (from: number, to: number) => string,
): (TemplateResult | string)[] {
  const parts: (TemplateResult | string)[] = [];
  let at = from;
  const triggers = [...(chosen?.triggers ?? [])].sort((a, b) => a.startOffset - b.startOffset);
  for (const { startOffset, endOffset } of triggers) {
    if (startOffset < at || endOffset > to) continue;
    parts.push(text(at, startOffset), html`<mark class="trigger">${text(startOffset, endOffset)}</mark>`);
    at = endOffset;
  }
  return [...parts, text(at, to)];
}

function entityButton({ at, entity }: Placed, text: string): TemplateResult {
  const choose = () => update({ entity: at });
  const word = Assertion[entity.assertion]?.toLowerCase() ?? "";
  return html`<button
    id=${`entity-${at.resultIndex}-${at.entityIndex}`}
    class=${`entity a-${word} ${same(at, state.entity) ? "chosen" : ""}`}
    aria-pressed=${same(at, state.entity)}
    @mouseenter=${choose}
    @focus=${choose}
    @click=${choose}
  ><span class="sign" aria-hidden="true">${SIGNS[entity.assertion] ?? ""}</span>${text}<span class="visually-hidden"> (${assertionWord(entity.assertion)})</span></button>`;
}

function details(entity: Entity | undefined): TemplateResult {
  if (!entity) return html`<p class="entity-details sub">${t("note.choose")}</p>`;
  const codes = [entity.concept, ...entity.equivalentConcepts].filter((one) => one?.code);
  return html`<div class="entity-details" aria-live="polite">
    <p>
      <strong>${entity.text.replace(/\s+/g, " ")}</strong> ${assertionWord(entity.assertion)} ·
      ${entity.type.toLowerCase().replaceAll("_", " ")} · ${percent(entity.confidence)}
      ${entity.origin === EntityOrigin.TERMINOLOGY ? `· ${t("note.by_terminology")}` : ""}
    </p>
    <p class="sub">
      ${entity.triggers.length > 0
        ? t("note.because", { triggers: entity.triggers.map(({ text }) => `“${text}”`).join(", ") })
        : t("note.by_default")}
    </p>
    <p class="sub">${codes.length > 0 ? codes.map((one) => `${nameOf(one)} · ${codeOf(one)}`).join("; ") : t("note.no_code")}</p>
  </div>`;
}

function table(placed: Placed[]): TemplateResult {
  return html`<details class="more">
    <summary>${t("note.table")}</summary>
    <div class="scrolls" tabindex="0" role="region" aria-label=${t("note.table")}>
      <table>
        <thead>
          <tr>
            <th scope="col">${t("note.entity")}</th>
            <th scope="col">${t("note.assertion")}</th>
            <th scope="col">${t("note.code")}</th>
            <th scope="col" class="number">${t("note.confidence")}</th>
          </tr>
        </thead>
        <tbody>
          ${placed.map(
            ({ at, entity }) => html`<tr>
              <th scope="row"><button class="link" @click=${() => showEntity(at.resultIndex, at.entityIndex)}>${entity.text}</button></th>
              <td>${assertionWord(entity.assertion)}</td>
              <td>${codeOf(entity.concept) || "–"}</td>
              <td class="number">${percent(entity.confidence)}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}
