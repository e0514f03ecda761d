// The catalog of the mesh, looked at again and again: which models answer, which services can be reached.
import { catalog, failure } from "./mesh";
import { state, update, type Glance } from "./state";

const EVERY_MS = 5000;
const KEPT = 60;

export function watch(): void {
  void look();
  setInterval(() => {
    if (document.visibilityState === "visible") void look();
  }, EVERY_MS);
}

export async function look(): Promise<void> {
  const began = performance.now();
  const glance: Glance = { at: Date.now(), tookMs: 0, models: [], unreachable: [] };
  try {
    const answer = await catalog.listModels({}, { timeoutMs: EVERY_MS });
    Object.assign(glance, { models: answer.models, unreachable: answer.unreachableServices });
  } catch (error) {
    glance.failure = failure(error);
  }
  glance.tookMs = performance.now() - began;
  update({ glances: [...state.glances, glance].slice(-KEPT) });
}

export async function openCard(name: string): Promise<void> {
  update({ card: undefined, cardFailure: undefined });
  try {
    const { card } = await catalog.getModelCard({ name });
    update({ card });
  } catch (error) {
    update({ cardFailure: failure(error) });
  }
}
