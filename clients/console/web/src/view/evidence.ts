// Where a piece of evidence stands: its words, and the way there.
import type { EvidenceReference } from "../gen/medmesh/orchestrator/v1/orchestrator_pb";
import type { Diagnosis } from "../gen/medmesh/orchestrator/v1/orchestrator_pb";
import { labelName, nameOf } from "../format";
import { state, update } from "../state";
import { Assertion } from "../gen/medmesh/language/v1/language_pb";
import { t, valueOf } from "../words";

/** The evidence in words; empty for the prior. */
export function evidenceWords(reference: EvidenceReference | undefined, diagnosis: Diagnosis): string {
  const { reference: one } = reference ?? { reference: { case: undefined } };
  switch (one.case) {
    case "imageFinding":
      return t("evidence.image", { what: one.value.labels.map(labelName).join(" / ") });
    case "noteEntity": {
      const result = diagnosis.note?.results.find((r) => r.provenance?.modelName === one.value.modelName);
      const entity = result?.entities[one.value.entityIndex];
      const what = entity ? `“${entity.text}” ${valueOf("assertion", Assertion[entity.assertion] ?? "")}` : "";
      return t("evidence.note", { what });
    }
    case "noteFinding":
      return t("evidence.note", { what: one.value.labels.map(labelName).join(" / ") });
    case "recordEntry":
      return t("evidence.record", { what: nameOf(one.value.concept) });
    default:
      return "";
  }
}

/** Shows the evidence: the image's map, or the entity in the note. Undefined where the page has no place for it. */
export function wayTo(reference: EvidenceReference | undefined, diagnosis: Diagnosis): (() => void) | undefined {
  const one = reference?.reference;
  if (one?.case === "imageFinding") {
    const { imageIndex, modelName, labels } = one.value;
    return () => {
      state.overlays.set(imageIndex, { model: modelName, label: labels[0] ?? "" });
      update({ imageIndex });
      reveal("image-panel");
    };
  }
  if (one?.case === "noteEntity") {
    const resultIndex = diagnosis.note?.results.findIndex((r) => r.provenance?.modelName === one.value.modelName) ?? -1;
    if (resultIndex < 0) return undefined;
    const { entityIndex } = one.value;
    return () => showEntity(resultIndex, entityIndex);
  }
  return undefined;
}

export function showEntity(resultIndex: number, entityIndex: number): void {
  update({ entity: { $typeName: "medmesh.language.v1.EntityReference", resultIndex, entityIndex } });
  reveal("note-panel");
  requestAnimationFrame(() => document.getElementById(`entity-${resultIndex}-${entityIndex}`)?.focus({ preventScroll: true }));
}

export function reveal(id: string): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.getElementById(id)?.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" });
}
