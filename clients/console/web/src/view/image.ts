// The image: the viewer, what may lie over it, and what each model found.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";

import {
  Explanation_Method,
  GateDecision,
  Rejection,
  type Finding,
  type ImageAnalysis,
  type ImageModelResult,
} from "../gen/medmesh/imaging/v1/imaging_pb";
import { LabelMeaning } from "../gen/medmesh/common/v1/serving_pb";
import { viewable, type StudyFile, type StudyImage } from "../case";
import { codeOf, labelName, percent } from "../format";
import { state, update, type OverlayChoice, type Run } from "../state";
import { t, valueOf } from "../words";
import { overlayLabels, overlayOf, overlaySlices } from "../viewer/overlay";
import { ImageViewport, type ViewChanged } from "../viewer/viewport";
import { notices, provenance } from "./notices";

const MAX_FINDINGS = 8;
const PRESETS = { lung: [-600, 1500], mediastinum: [40, 400], bone: [400, 1800], brain: [40, 80] } as const;

const files = new WeakMap<StudyImage, StudyFile[]>();
const pictures = new WeakMap<ImageModelResult, Map<string, CanvasImageSource | undefined>>();
let viewer: ViewChanged["detail"] | undefined;
let opacity = 0.5;
let asModelSaw = false;

export function imagePanel(run: Run): TemplateResult | typeof nothing {
  const image = run.case.images[state.imageIndex];
  if (!image) return nothing;
  const analysis = run.diagnosis?.images.find((one) => one.index === state.imageIndex)?.analysis;
  const standing = analysis?.results.map(standingOf).find(Boolean);
  return html`<section class="image panel" id="image-panel" aria-labelledby="image-title">
    <header>
      <h2 id="image-title">${t("image.title")}</h2>
      ${standing ? html`<span class="badge warn">${standing}</span>` : nothing}
      ${run.case.images.length > 1 ? tabs(run) : nothing}
    </header>
    ${viewport(image, analysis)} ${analysis ? found(analysis) : nothing}
  </section>`;
}

function tabs(run: Run): TemplateResult {
  return html`<div class="tabs" role="group" aria-label=${t("image.which")}>
    ${run.case.images.map(
      (_, index) => html`<button class="quiet" aria-pressed=${index === state.imageIndex} @click=${() => update({ imageIndex: index })}>
        ${index + 1}
      </button>`,
    )}
  </div>`;
}

function filesOf(image: StudyImage): StudyFile[] {
  const known = files.get(image) ?? viewable(image);
  files.set(image, known);
  return known;
}

function viewport(image: StudyImage, analysis: ImageAnalysis | undefined): TemplateResult {
  const chosen = choiceOf(analysis);
  const reoriented = analysis?.notices.some(({ reason }) => reason === "IMAGE_REORIENTED") ?? false;
  const rendered = analysis?.results.find((one) => one.overlayPng.length > 0);
  const showRendered = rendered !== undefined && (asModelSaw || viewer?.problem === true);
  const slices = viewer?.sliceCount ?? 1;
  return html`<div class="viewer">
      <image-viewport
        tabindex="0"
        role="img"
        aria-label=${t("image.label")}
        aria-describedby="viewer-keys"
        class=${showRendered ? "hidden" : ""}
        .source=${filesOf(image)}
        .overlay=${reoriented ? undefined : pictureOf(analysis, chosen)}
        .opacity=${opacity}
        @view-changed=${(event: ViewChanged) => {
          viewer = event.detail;
          update();
        }}
      ></image-viewport>
      ${showRendered ? html`<img class="rendered" alt=${t("image.rendered")} src=${urlOf(rendered)} />` : nothing}
      ${viewer?.problem && !rendered ? html`<p class="viewer-problem">${t("image.not_drawn")}</p>` : nothing}
      <p class="viewer-state" aria-live="polite">
        ${slices > 1 ? t("image.slice", { number: (viewer?.view.slice ?? 0) + 1, count: slices }) : nothing}
        ${viewer?.grey ? `C ${Math.round(viewer.view.center)} · W ${Math.round(viewer.view.windowWidth)}` : nothing}
      </p>
    </div>
    <p id="viewer-keys" class="visually-hidden">${t("keys.viewer_words")}</p>
    ${tools(analysis, chosen, reoriented, rendered !== undefined, slices)}`;
}

function tools(
  analysis: ImageAnalysis | undefined,
  chosen: OverlayChoice | undefined,
  reoriented: boolean,
  canShowRendered: boolean,
  slices: number,
): TemplateResult {
  const choices = (analysis?.results ?? []).flatMap((result) =>
    overlayLabels(result).map((label) => ({ model: result.provenance?.modelName ?? "", label })),
  );
  const key = (one: OverlayChoice | undefined) => (one ? `${one.model}\n${one.label}` : "");
  return html`<div class="viewer-tools">
    <div class="buttons" role="group" aria-label=${t("image.tools")}>
      <button class="tool" aria-label=${t("image.zoom_in")} @click=${() => view()?.zoomBy(1.2)}>+</button>
      <button class="tool" aria-label=${t("image.zoom_out")} @click=${() => view()?.zoomBy(1 / 1.2)}>−</button>
      <button class="tool" aria-label=${t("image.invert")} @click=${() => view()?.invert()}>◐</button>
      <button class="tool" aria-label=${t("image.reset")} @click=${() => view()?.reset()}>⟲</button>
      ${viewer?.grey && slices > 1
        ? Object.entries(PRESETS).map(
            ([name, [center, width]]) => html`<button class="tool wide" @click=${() => view()?.setWindow(center, width)}>
              ${valueOf("window", name)}
            </button>`,
          )
        : nothing}
    </div>
    ${slices > 1
      ? html`<label class="slider"
          >${t("image.slices")}
          <input
            type="range"
            min="0"
            max=${slices - 1}
            .value=${live(String(viewer?.view.slice ?? 0))}
            @input=${(event: Event) => void view()?.go(Number((event.target as HTMLInputElement).value))}
          />
        </label>`
      : nothing}
    ${choices.length > 0 && !reoriented
      ? html`<label class="select"
            >${t("image.overlay")}
            <select
              @change=${(event: Event) => {
                const value = (event.target as HTMLSelectElement).value;
                state.overlays.set(state.imageIndex, choices.find((one) => key(one) === value));
                update();
              }}
            >
              <option value="" ?selected=${!chosen}>${t("image.no_overlay")}</option>
              ${choices.map(
                (one) => html`<option value=${key(one)} ?selected=${key(one) === key(chosen)}>${labelName(one.label)}</option>`,
              )}
            </select>
          </label>
          <label class="slider"
            >${t("image.opacity")}
            <input
              type="range"
              min="0"
              max="1"
              step="0.05"
              .value=${live(String(opacity))}
              @input=${(event: Event) => {
                opacity = Number((event.target as HTMLInputElement).value);
                update();
              }}
            />
          </label>`
      : nothing}
    ${canShowRendered
      ? html`<label class="check">
          <input
            type="checkbox"
            .checked=${live(asModelSaw)}
            @change=${(event: Event) => {
              asModelSaw = (event.target as HTMLInputElement).checked;
              update();
            }}
          />
          ${t("image.as_model_saw")}
        </label>`
      : nothing}
    ${reoriented ? html`<p class="sub">${t("image.reoriented")}</p>` : nothing}
  </div>`;
}

function view(): ImageViewport | null {
  return document.querySelector<ImageViewport>("image-viewport");
}

/** What the reader chose; before that, the strongest finding that is not normal. */
function choiceOf(analysis: ImageAnalysis | undefined): OverlayChoice | undefined {
  if (state.overlays.has(state.imageIndex)) return state.overlays.get(state.imageIndex);
  for (const result of analysis?.results ?? []) {
    const mask = result.masks[0];
    const mapped = new Set(overlayLabels(result));
    const finding = result.findings.find((one) => mapped.has(one.label) && one.meaning !== LabelMeaning.NORMAL);
    const label = mask?.label ?? finding?.label;
    if (label) return { model: result.provenance?.modelName ?? "", label };
  }
  return undefined;
}

function pictureOf(analysis: ImageAnalysis | undefined, choice: OverlayChoice | undefined): CanvasImageSource | undefined {
  const result = analysis?.results.find((one) => one.provenance?.modelName === choice?.model);
  if (!choice || !result) return undefined;
  const known = pictures.get(result) ?? new Map<string, CanvasImageSource | undefined>();
  pictures.set(result, known);
  const slice = viewer?.view.slice ?? 0;
  const place = `${choice.label}\n${slice}`;
  if (!known.has(place)) {
    known.set(place, undefined); // on its way
    void overlayOf(result, choice.label, slice).then((picture) => {
      known.set(place, picture);
      update();
    });
  }
  return known.get(place);
}

const urls = new WeakMap<ImageModelResult, string>();

function urlOf(result: ImageModelResult): string {
  const url = urls.get(result) ?? URL.createObjectURL(new Blob([new Uint8Array(result.overlayPng)], { type: "image/png" }));
  urls.set(result, url);
  return url;
}

function standingOf(result: ImageModelResult): string {
  if (result.gateDecision === GateDecision.REJECTED) return t("image.rejected");
  return result.abstained ? t("image.abstained") : "";
}

function found(analysis: ImageAnalysis): TemplateResult {
  const { properties, series, bodyPart } = analysis;
  const facts = [
    properties ? `${properties.format} ${properties.widthPx} × ${properties.heightPx}` : "",
    series ? t("image.series", { count: series.sliceCount }) : "",
    properties?.modality,
    properties?.view.toLowerCase(),
    bodyPart.toLowerCase(),
    ...analysis.gates.map((gate) => t("image.looks_like", { kind: labelName(gate.kind), p: percent(gate.probability) })),
  ].filter(Boolean);
  return html`<p class="sub">${facts.join(" · ")}</p>
    ${analysis.results.map(modelResult)} ${notices(analysis.notices)}`;
}

function modelResult(result: ImageModelResult): TemplateResult {
  const rejections = result.rejections.map((one) => valueOf("rejection", Rejection[one] ?? ""));
  const set = result.predictionSet;
  const doubtful = standingOf(result);
  return html`<article class=${`model-result ${doubtful ? "doubtful" : ""}`}>
    ${doubtful
      ? html`<p class="standing">${doubtful}${rejections.length > 0 ? `: ${rejections.join(", ")}` : ""}</p>`
      : nothing}
    <ul class="findings">
      ${result.findings.slice(0, MAX_FINDINGS).map((one) => findingRow(one, result))}
      ${result.masks.map(
        (mask) => html`<li class="finding">
          ${overlayButton(mask.label, result)}
          <span class="number"
            >${mask.volumeMl !== undefined
              ? `${mask.volumeMl.toFixed(1)} mL`
              : mask.areaMm2 !== undefined
                ? `${(mask.areaMm2 / 100).toFixed(1)} cm²`
                : `${mask.pixelCount} px`}</span
          >
        </li>`,
      )}
    </ul>
    ${set
      ? html`<p class="sub">
          ${set.labels.length > 0
            ? t("image.cannot_rule_out", { coverage: `${(100 * set.coverage).toFixed(0)} %`, labels: set.labels.map(labelName).join(", ") })
            : t("image.unlike_all")}
        </p>`
      : nothing}
    ${result.findings.length > 0 && !result.calibrated ? html`<p class="sub">${t("image.not_calibrated")}</p>` : nothing}
    ${result.keySlices.length > 0
      ? html`<p class="sub">
          ${t("image.key_slices")}
          ${result.keySlices.map(
            (key) => html`<button class="link" @click=${() => void view()?.go(key.index)}>${key.index + 1}</button> `,
          )}
        </p>`
      : nothing}
    ${result.explanation?.method === Explanation_Method.OCCLUSION ? html`<p class="sub">${t("image.occlusion")}</p>` : nothing}
    ${notices(result.notices)} ${provenance(result.provenance)}
  </article>`;
}

function findingRow(one: Finding, result: ImageModelResult): TemplateResult {
  return html`<li class="finding">
    ${overlayLabels(result).includes(one.label)
      ? overlayButton(one.label, result)
      : html`<span class="finding-name">${labelName(one.label)}</span>`}
    <span class="meter" aria-hidden="true"><span .style=${`width:${100 * one.probability}%`}></span></span>
    <span class="number">${percent(one.probability)}</span>
    <span class="code">${codeOf(one.concepts[0])}</span>
  </li>`;
}

function overlayButton(label: string, result: ImageModelResult): TemplateResult {
  const model = result.provenance?.modelName ?? "";
  const chosen = state.overlays.get(state.imageIndex);
  return html`<button
    class="link finding-name"
    aria-pressed=${chosen?.label === label && chosen.model === model}
    @click=${() => {
      state.overlays.set(state.imageIndex, { model, label });
      const slices = overlaySlices(result, label);
      if (slices[0] !== undefined && !slices.includes(viewer?.view.slice ?? -1)) void view()?.go(slices[0]);
      update();
    }}
  >
    ${labelName(label)}
  </button>`;
}
