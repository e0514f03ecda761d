// The spans of a request, where the mesh keeps them; else none, and the branches' own times are shown.
import { createClient } from "@connectrpc/connect";

import { TraceService, type Span as SpanMessage } from "./gen/medmesh/common/v1/trace_pb";
import { milliseconds } from "./format";
import { transport } from "./mesh";

/** A piece of work: when it began after the first one did, how long it took, and how deep in the tree it lies. */
export interface Span {
  name: string;
  service: string;
  depth: number;
  startMs: number;
  durationMs: number;
  failed: boolean;
}

/** An id that asks the mesh to keep the spans of a request (W3C Trace Context). */
export function newTrace(): { id: string; traceparent: string } {
  const id = random(16);
  return { id, traceparent: `00-${id}-${random(8)}-01` };
}

export async function spansOf(traceId: string): Promise<Span[] | undefined> {
  try {
    const { spans } = await createClient(TraceService, transport).getTrace({ traceId });
    return spans.length === 0 ? undefined : asTree(spans);
  } catch {
    return undefined; // a mesh that keeps no traces
  }
}

function asTree(spans: SpanMessage[]): Span[] {
  const began = (span: SpanMessage) =>
    span.startTime ? Number(span.startTime.seconds) * 1000 + span.startTime.nanos / 1e6 : 0;
  const first = Math.min(...spans.map(began));
  const ids = new Set(spans.map((span) => span.spanId));
  const children = Map.groupBy(spans, (span) => (ids.has(span.parentSpanId) ? span.parentSpanId : ""));
  const walk = (parent: string, depth: number): Span[] =>
    [...(children.get(parent) ?? [])]
      .sort((a, b) => began(a) - began(b))
      .flatMap((span) => [
        {
          name: span.name,
          service: span.service,
          depth,
          startMs: began(span) - first,
          durationMs: milliseconds(span.duration),
          failed: span.errorType !== "",
        },
        ...walk(span.spanId, depth + 1),
      ]);
  return walk("", 0);
}

function random(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, "0")).join("");
}
