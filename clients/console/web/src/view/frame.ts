// What stands round every page: the bar, the dialogs, the foot.
import { html, nothing, type TemplateResult } from "lit";

import { look } from "../catalog";
import { hasToken, useToken } from "../mesh";
import { choose, theme } from "../preferences";
import { signOut } from "../session";
import { state, update, type Page } from "../state";
import { spoken, t } from "../words";
import { healthOf } from "./health";

const PAGES: Page[] = ["diagnose", "models", "health"];

export function bar(): TemplateResult {
  const health = healthOf(state.glances.at(-1));
  return html`<header class="bar">
    <a class="skip" href="#main" @click=${skip}>${t("bar.skip")}</a>
    <a class="brand" href="#/diagnose"><strong>medmesh</strong> <span>${t("bar.research")}</span></a>
    <nav aria-label=${t("bar.pages")}>
      ${PAGES.map(
        (page) => html`<a href=${`#/${page}`} aria-current=${page === state.page ? "page" : nothing}>
          ${page === "health" ? html`<span class=${`dot ${health}`} aria-hidden="true"></span>` : nothing}${t(`bar.${page}`)}
          ${page === "health" ? html`<span class="visually-hidden">: ${t(`health.${health}`)}</span>` : nothing}
        </a>`,
      )}
    </nav>
    <div class="bar-tools">
      <button class="quiet" lang=${spoken() === "zh" ? "en" : "zh-Hans"} @click=${() => choose({ language: spoken() === "zh" ? "en" : "zh" })}>
        ${spoken() === "zh" ? "English" : "中文"}
      </button>
      <button
        class="quiet"
        aria-label=${theme() === "dark" ? t("bar.light") : t("bar.dark")}
        @click=${() => choose({ theme: theme() === "dark" ? "light" : "dark" })}
      >
        ${theme() === "dark" ? "☀" : "☾"}
      </button>
      <button class="quiet" @click=${() => update({ dialog: "keys" })} aria-label=${t("keys.title")}>?</button>
      <button class="quiet" @click=${() => update({ dialog: "session" })}>${sessionName()}</button>
    </div>
  </header>`;
}

function sessionName(): string {
  return state.session.name || (hasToken() ? t("session.on") : t("session.open"));
}

function skip(event: Event): void {
  event.preventDefault(); // the address names the page
  document.getElementById("main")?.focus();
}

export function foot(): TemplateResult {
  return html`<footer class="foot">
    <p>${state.run?.diagnosis?.intendedUse ? html`<span lang="en">${state.run.diagnosis.intendedUse}</span>` : t("foot.use")}</p>
    <p class="sub">${t("foot.stores")}</p>
  </footer>`;
}

export function dialogs(): TemplateResult {
  return html`<dialog
      id="session-dialog"
      aria-labelledby="session-title"
      @close=${() => update({ dialog: undefined, signInFailed: false })}
    >
      <h2 id="session-title">${t("session.title")}</h2>
      ${state.session.login ? login() : nothing}
      <form method="dialog" @submit=${take}>
        <p>${t("session.words")}</p>
        <label class="field">${t("session.token")}<input name="token" type="password" autocomplete="off" spellcheck="false" /></label>
        <div class="actions">
          <button class="button" value="forget" formnovalidate>${t("session.forget")}</button>
          <button class="button primary" value="use">${t("session.use")}</button>
        </div>
      </form>
    </dialog>
    <dialog id="keys-dialog" aria-labelledby="keys-title" @close=${() => update({ dialog: undefined })}>
      <h2 id="keys-title">${t("keys.title")}</h2>
      <dl class="keys">
        ${KEYS.map(([keys, word]) => html`<dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${t(word)}</dd>`)}
      </dl>
      <form method="dialog"><button class="button">${t("keys.close")}</button></form>
    </dialog>`;
}

function login(): TemplateResult {
  const { name } = state.session;
  return html`<div class="login">
    ${state.signInFailed ? html`<p role="alert">${t("session.failed")}</p>` : nothing}
    ${name
      ? html`<p>${t("session.as", { name })}</p>
          <button class="button" @click=${() => void signOut()}>${t("session.out")}</button>`
      : html`<p>${t("session.provider")}</p>
          <a class="button primary" href="/login">${t("session.login")}</a>`}
  </div>`;
}

const KEYS = [
  [["Ctrl", "Enter"], "keys.run"],
  [["Tab"], "keys.tab"],
  [["←", "→"], "keys.window"],
  [["↑", "↓"], "keys.level"],
  [["+", "−"], "keys.zoom"],
  [["Shift", "←↑↓→"], "keys.pan"],
  [["PgUp", "PgDn"], "keys.slice"],
  [["i"], "keys.invert"],
  [["0"], "keys.reset"],
] as const;

/** Opens and closes the dialogs as the state says. */
export function showDialogs(): void {
  for (const name of ["session", "keys"] as const) {
    const dialog = document.getElementById(`${name}-dialog`) as HTMLDialogElement | null;
    if (state.dialog === name && !dialog?.open) dialog?.showModal();
    if (state.dialog !== name && dialog?.open) dialog.close();
  }
}

function take(event: SubmitEvent): void {
  const form = event.target as HTMLFormElement;
  const forget = (event.submitter as HTMLButtonElement | null)?.value === "forget";
  useToken(forget ? "" : String(new FormData(form).get("token") ?? ""));
  form.reset();
  void look();
}
