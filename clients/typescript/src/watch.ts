// Watches a diagnosis as it is made, over the HTTP door: the branches as they end, then how probable each condition is.
//
//   node dist/watch.js http://127.0.0.1:8080 chest.dcm note.txt
//
// A page does the same with createConnectTransport of @connectrpc/connect-web, whose origin the door must allow.

import { readFile } from "node:fs/promises";

import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { explain } from "./failure.js";
import { Branch_Kind, DiagnosticService } from "./gen/medmesh/orchestrator/v1/orchestrator_pb.js";

const [url, image, note] = process.argv.slice(2);
if (!url || !image || !note) {
  console.error("usage: watch URL IMAGE NOTE");
  process.exit(2);
}

const client = createClient(DiagnosticService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
try {
  const events = client.diagnoseStream(
    {
      case: {
        images: [{ sources: [{ source: { case: "content", value: await readFile(image) } }] }],
        note: await readFile(note, "utf8"),
      },
    },
    { timeoutMs: 30_000 },
  );
  for await (const { event } of events) {
    if (event.case === "branch") console.log(Branch_Kind[event.value.kind]);
    if (event.case !== "diagnosis") continue;
    for (const { probability, condition } of event.value.assessments) {
      console.log(`${(100 * probability).toFixed(1)}%  ${condition?.display}`);
    }
  }
} catch (error) {
  console.error(explain(error));
  process.exit(1);
}
