// One request: its branches as they end, the draft's sentences as they are written, and the whole answer.
import { toMessage } from "./case";
import { diagnostics, failure, wasCancelled } from "./mesh";
import { askSession } from "./session";
import { state, update, type Run } from "./state";
import { newTrace, spansOf } from "./trace";

const TIMEOUT_MS = 120_000;
const CLOCK_MS = 100;

export async function diagnose(): Promise<void> {
  state.run?.abort.abort();
  const run: Run = {
    case: { ...state.case },
    startedAt: performance.now(),
    elapsedMs: 0,
    running: true,
    ended: [],
    sentences: [],
    abort: new AbortController(),
  };
  state.overlays.clear();
  update({ run, entity: undefined, imageIndex: 0 });
  const clock = setInterval(() => {
    run.elapsedMs = performance.now() - run.startedAt;
    update();
  }, CLOCK_MS);
  const trace = newTrace();
  try {
    await follow(run, trace.traceparent);
  } catch (error) {
    if (!wasCancelled(error)) {
      run.failure = failure(error);
      if (run.failure.needsSession) {
        state.dialog = "session";
        void askSession();
      }
    }
  } finally {
    clearInterval(clock);
    run.elapsedMs = performance.now() - run.startedAt;
    run.running = false;
    update();
  }
  run.spans = await spansOf(trace.id);
  update();
}

async function follow(run: Run, traceparent: string): Promise<void> {
  const request = { case: toMessage(run.case), requestId: crypto.randomUUID() };
  const options = { signal: run.abort.signal, timeoutMs: TIMEOUT_MS, headers: { traceparent } };
  for await (const { event } of diagnostics.diagnoseStream(request, options)) {
    if (event.case === "branch") run.ended.push({ branch: event.value, atMs: performance.now() - run.startedAt });
    else if (event.case === "draftSentence") run.sentences.push(event.value);
    else if (event.case === "diagnosis") run.diagnosis = event.value;
    update();
  }
}

export function stop(): void {
  state.run?.abort.abort();
}
