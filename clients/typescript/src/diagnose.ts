// Sends an image, a note and a FHIR bundle to a running mesh and prints how probable each condition is.
//
//   node dist/diagnose.js http://127.0.0.1:50060 chest.dcm note.txt bundle.json

import { readFile } from "node:fs/promises";

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { explain } from "./failure.js";
import { Completeness, DiagnosticService } from "./gen/medmesh/orchestrator/v1/orchestrator_pb.js";

const [url, image, note, bundle] = process.argv.slice(2);
if (!url || !image || !note || !bundle) {
  console.error("usage: diagnose URL IMAGE NOTE BUNDLE");
  process.exit(2);
}

const client = createClient(DiagnosticService, createGrpcTransport({ baseUrl: url }));
try {
  const { diagnosis } = await client.diagnose(
    {
      case: {
        images: [{ sources: [{ source: { case: "content", value: await readFile(image) } }] }],
        note: await readFile(note, "utf8"),
        patient: { form: { case: "fhirBundle", value: await readFile(bundle) } },
      },
    },
    { timeoutMs: 30_000 },
  );
  console.log(Completeness[diagnosis!.completeness]);
  for (const { probability, condition } of diagnosis!.assessments) {
    console.log(`${(100 * probability).toFixed(1)}%  ${condition?.display}`);
  }
} catch (error) {
  console.error(explain(error));
  process.exit(1);
}
