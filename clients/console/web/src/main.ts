// The page: its address, its parts, and their drawing.
import { html, nothing, render, type TemplateResult } from "lit";

import { openCard, watch } from "./catalog";
import { start } from "./preferences";
import { askSession } from "./session";
import { onUpdate, state, update, type Page, type Run } from "./state";
import { t } from "./words";
import { assessments, verdict } from "./view/assessment";
import { casePanel } from "./view/case";
import { bar, dialogs, foot, showDialogs } from "./view/frame";
import { healthPage } from "./view/health";
import { imagePanel } from "./view/image";
import { modelsPage } from "./view/models";
import { notePanel } from "./view/note";
import { failureBox, progress, waiting } from "./view/progress";
import { receiptPanel } from "./view/receipt";
import { reportPanel } from "./view/report";
import { tracePanel } from "./view/trace";
import { treatmentsPanel } from "./view/treatments";

function diagnosePage(): TemplateResult {
  const { run } = state;
  return html`<div class="diagnose">
    ${run
      ? html`<h1 class="visually-hidden">${t("bar.diagnose")}</h1>`
      : html`<div class="intro">
          <h1>${t("intro.title")}</h1>
          <p>${t("intro.words")}</p>
        </div>`}
    ${casePanel()} ${run ? standing(run) : nothing} ${run && !run.failure ? answer(run) : nothing}
  </div>`;
}

function standing(run: Run): TemplateResult {
  const outcome = run.failure ? failureBox(run) : run.diagnosis ? verdict(run.diagnosis) : waiting(run);
  return html`<div class="answer standing-row">${progress(run)} ${outcome}</div>`;
}

function answer(run: Run): TemplateResult {
  return html`<div class="answer">
    <div class="column">${imagePanel(run)} ${notePanel(run)} ${reportPanel(run)}</div>
    <div class="column">
      ${run.diagnosis ? assessments(run.diagnosis) : nothing} ${treatmentsPanel(run)} ${tracePanel(run)} ${receiptPanel(run)}
    </div>
  </div>`;
}

const PAGES: Record<Page, () => TemplateResult> = { diagnose: diagnosePage, models: modelsPage, health: healthPage };

function draw(): void {
  render(
    html`${bar()}
      <main id="main" tabindex="-1">${PAGES[state.page]()}</main>
      ${foot()} ${dialogs()}`,
    document.body,
  );
  showDialogs();
}

/** The address names a page and a model, never a case. */
function route(): void {
  const [, page = "", name = ""] = location.hash.split("/");
  const known = page === "models" || page === "health" ? page : "diagnose";
  const modelName = known === "models" ? decoded(name) : "";
  if (page === "sign-in-failed") {
    update({ signInFailed: true, dialog: "session" });
    history.replaceState(null, "", `${location.search}#/diagnose`);
  }
  const changed = modelName !== "" && modelName !== state.modelName;
  update({ page: known, modelName });
  if (changed) void openCard(modelName);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // an address that somebody typed
  }
}

// A file that misses the page must not replace it.
for (const event of ["dragover", "drop"] as const) addEventListener(event, (dropped) => dropped.preventDefault());
addEventListener("hashchange", route);
onUpdate(draw);
start();
route();
void askSession();
watch();
