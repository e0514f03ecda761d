// The case: what a person drops, picks, writes, or takes from the sample.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

import { isEmpty, MAX_IMAGES, read, sample, withFiles, type CaseInput } from "../case";
import { diagnose, stop } from "../diagnosing";
import { state, update } from "../state";
import { t } from "../words";

export function casePanel(): TemplateResult {
  const summary = html`<summary>
    <span class="summary-title">${t("case.title")}</span>
    <span class="summary-parts">${parts(state.case).join(" · ") || t("case.empty")}</span>
  </summary>`;
  return html`<details
    class="case panel"
    .open=${live(state.caseOpen)}
    @toggle=${(event: Event) => update({ caseOpen: (event.target as HTMLDetailsElement).open })}
    @dragover=${(event: DragEvent) => event.preventDefault()}
    @drop=${dropped}
    @keydown=${(event: KeyboardEvent) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !isEmpty(state.case)) begin();
    }}
  >
    ${summary}
    <div class="case-parts">${study()} ${note()} ${record()}</div>
    ${problems()} ${actions()}
  </details>`;
}

function parts({ images, note, record }: CaseInput): string[] {
  const files = images.reduce((sum, image) => sum + image.files.length, 0);
  return [
    images.length > 0 ? t(images.length === 1 ? "case.one_image" : "case.images", { count: images.length }) : "",
    files > images.length ? t("case.files", { count: files }) : "",
    note.trim() ? t("case.note_length", { count: Array.from(note).length }) : "",
    record ? t("case.record") : "",
  ].filter(Boolean);
}

function part(word: "study" | "note" | "record", filled: boolean, content: TemplateResult): TemplateResult {
  return html`<section class=${`part ${word} ${filled ? "filled" : ""}`} aria-labelledby=${`part-${word}`}>
    <h2 id=${`part-${word}`}>${t(`case.${word}`)}</h2>
    ${content}
  </section>`;
}

function picker(word: "study" | "note" | "record", accept: string, multiple: boolean): TemplateResult {
  return html`<label class="pick">
    <input
      type="file"
      class="visually-hidden"
      accept=${accept}
      ?multiple=${multiple}
      @change=${(event: Event) => {
        const picked = event.target as HTMLInputElement;
        void add(picked.files ?? []).then(() => (picked.value = ""));
      }}
    />
    <span class="button small">${t("case.choose")}</span>
    <span class="hint">${t(`case.${word}_hint`, { most: MAX_IMAGES })}</span>
  </label>`;
}

function study(): TemplateResult {
  const { images, bodyPart } = state.case;
  return part(
    "study",
    images.length > 0,
    html`<ul class="files">
        ${images.map(
          (image, index) => html`<li>
            <span class="file">${image.files.length > 1 ? t("case.series", { count: image.files.length }) : image.files[0]?.name}</span>
            <button
              class="quiet"
              aria-label=${t("case.remove_image", { number: index + 1 })}
              @click=${() => change({ images: images.filter((one) => one !== image) })}
            >
              ×
            </button>
          </li>`,
        )}
      </ul>
      ${picker("study", ".dcm,.zip,.png,.jpg,.jpeg,application/dicom,image/png,image/jpeg", true)}
      <label class="field"
        >${t("case.body_part")}
        <input
          type="text"
          maxlength="16"
          autocomplete="off"
          placeholder=${t("case.body_part_auto")}
          .value=${live(bodyPart)}
          @input=${(event: Event) => change({ bodyPart: (event.target as HTMLInputElement).value })}
        />
      </label>`,
  );
}

function note(): TemplateResult {
  const { note: text } = state.case;
  return part(
    "note",
    text.trim() !== "",
    html`<textarea
        rows="6"
        spellcheck="false"
        aria-labelledby="part-note"
        placeholder=${t("case.note_placeholder")}
        .value=${live(text)}
        @input=${(event: Event) => change({ note: (event.target as HTMLTextAreaElement).value })}
      ></textarea>
      ${picker("note", ".txt,text/plain", false)}`,
  );
}

function record(): TemplateResult {
  const { record: file } = state.case;
  return part(
    "record",
    file !== undefined,
    html`${file
      ? html`<ul class="files">
          <li>
            <span class="file">${file.name}</span>
            <button class="quiet" aria-label=${t("case.remove_record")} @click=${() => change({ record: undefined })}>×</button>
          </li>
        </ul>`
      : nothing}
    ${picker("record", ".json,application/json,application/fhir+json", false)}`,
  );
}

function problems(): TemplateResult | typeof nothing {
  const { problems: all } = state.case;
  if (all.length === 0) return nothing;
  return html`<ul class="notices" role="alert">
    ${all.map(({ word, name }) => html`<li class="notice review">${t(word, { name, most: MAX_IMAGES })}</li>`)}
  </ul>`;
}

function actions(): TemplateResult {
  const running = state.run?.running ?? false;
  return html`<div class="actions">
    <label class="check">
      <input
        type="checkbox"
        .checked=${live(state.case.draftReport)}
        @change=${(event: Event) => change({ draftReport: (event.target as HTMLInputElement).checked })}
      />
      ${t("case.draft_report")}
    </label>
    <span class="spacer"></span>
    <button class="button" @click=${takeSample}>${t("case.sample")}</button>
    ${running
      ? html`<button class="button primary" @click=${stop}>${t("case.stop")}</button>`
      : html`<button class="button primary" id="run" ?disabled=${isEmpty(state.case)} @click=${begin}>${t("case.run")}</button>`}
  </div>`;
}

function begin(): void {
  state.caseOpen = false;
  void diagnose();
  requestAnimationFrame(() => document.getElementById("progress-title")?.focus());
}

async function takeSample(): Promise<void> {
  try {
    update({ case: await sample() });
  } catch {
    change({ problems: [{ word: "case.no_sample", name: "" }] });
  }
}

function dropped(event: DragEvent): void {
  event.preventDefault();
  void add(event.dataTransfer?.files ?? []);
}

export async function add(files: Iterable<File>): Promise<void> {
  const found = await read(files);
  update({ case: withFiles(state.case, found) }); // of what the case is by now: a note may have been written meanwhile
}

function change(changed: Partial<CaseInput>): void {
  update({ case: { ...state.case, ...changed } });
}
