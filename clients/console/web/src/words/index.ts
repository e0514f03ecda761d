// The page's own words in the language that is shown. What the mesh says (notices, names of concepts) stays as it comes.
import en from "./en.json";
import zh from "./zh.json";

export type Word = keyof typeof en;
export type Language = "en" | "zh";

const WORDS: Record<Language, Record<Word, string>> = { en, zh };

let language: Language = "en";

export function speak(given: Language): void {
  language = given;
  document.documentElement.lang = given === "zh" ? "zh-Hans" : "en";
  document.title = t("title");
}

export function spoken(): Language {
  return language;
}

/** The word, with what stands in braces replaced. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  return WORDS[language][word].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The word for a value of an enum; the value itself where the contract has grown one that the page has no word for. */
export function valueOf(kind: string, value: string): string {
  const word = `${kind}.${value.toLowerCase()}`;
  return word in en ? t(word as Word) : value.toLowerCase().replaceAll("_", " ");
}
