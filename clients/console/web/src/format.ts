// Numbers and names for people.
import type { Duration } from "@bufbuild/protobuf/wkt";

import type { Concept } from "./gen/medmesh/common/v1/concept_pb";

const SYSTEMS: Record<string, string> = {
  "http://snomed.info/sct": "SNOMED CT",
  "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
  "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
  "http://loinc.org": "LOINC",
};
const WORDS: Record<string, string> = { xray: "X-ray", ct: "CT", mri: "MRI", icu: "ICU" };

export function milliseconds(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}

/** `660 ms`, `41.4 s`. */
export function time(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** What is not quite 0 or 1 never looks as if it were. */
export function percent(share: number): string {
  const shown = 100 * share;
  if (shown > 0 && shown < 0.05) return "<0.1 %";
  if (shown < 100 && shown >= 99.95) return ">99.9 %";
  return `${shown.toFixed(1)} %`;
}

export function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

export function nameOf(concept: Concept | undefined): string {
  return concept?.display || concept?.code || "?";
}

/** `SNOMED CT 233604007`; empty where there is no code. */
export function codeOf(concept: Concept | undefined): string {
  return concept?.code ? `${SYSTEMS[concept.system] ?? concept.system} ${concept.code}` : "";
}

/** A model's label in words: `bacterial_pneumonia` as `bacterial pneumonia`. */
export function labelName(label: string): string {
  return label
    .split("_")
    .map((word) => WORDS[word] ?? word)
    .join(" ");
}

export function short(digest: string): string {
  return digest.slice(0, 12);
}
