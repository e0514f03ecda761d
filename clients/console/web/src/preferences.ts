// Language and look: the system's, unless the address says otherwise (`?lang=zh&look=dark`). Nothing is stored.
import { update } from "./state";
import { speak, type Language } from "./words";

export type Theme = "light" | "dark";

const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let chosen: Theme | undefined;

export function theme(): Theme {
  return chosen ?? (prefersDark.matches ? "dark" : "light");
}

export function start(): void {
  const said = new URLSearchParams(location.search);
  const language = said.get("lang") ?? navigator.language;
  speak(language.startsWith("zh") ? "zh" : "en");
  const look = said.get("look");
  if (look === "dark" || look === "light") chosen = look;
  apply();
  prefersDark.addEventListener("change", apply);
}

export function choose(change: { language?: Language; theme?: Theme }): void {
  const said = new URLSearchParams(location.search);
  if (change.language) {
    speak(change.language);
    said.set("lang", change.language);
  }
  if (change.theme) {
    chosen = change.theme;
    said.set("look", change.theme);
  }
  history.replaceState(null, "", `?${said}${location.hash}`);
  apply();
}

function apply(): void {
  document.documentElement.dataset["look"] = theme();
  update();
}
