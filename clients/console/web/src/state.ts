// What the page shows, in one place. `update` changes it and asks for the next drawing.
import type { EntityReference } from "./gen/medmesh/language/v1/language_pb";
import type { DraftSentence } from "./gen/medmesh/language/v1/report_pb";
import type { ModelSummary } from "./gen/medmesh/common/v1/catalog_pb";
import type { ModelCard } from "./gen/medmesh/common/v1/model_card_pb";
import type { Branch, Diagnosis } from "./gen/medmesh/orchestrator/v1/orchestrator_pb";
import type { Failure } from "./mesh";
import type { CaseInput } from "./case";
import type { Verification } from "./receipt";
import type { Session } from "./session";
import type { Span } from "./trace";

export type Page = "diagnose" | "models" | "health";

/** A branch that has ended, and when: milliseconds since the request was sent. */
export interface EndedBranch {
  branch: Branch;
  atMs: number;
}

/** One request and what has come of it so far. */
export interface Run {
  case: CaseInput;
  startedAt: number;
  elapsedMs: number;
  running: boolean;
  ended: EndedBranch[];
  sentences: DraftSentence[];
  diagnosis?: Diagnosis;
  failure?: Failure;
  abort: AbortController;
  spans?: Span[];
  verification?: Verification;
}

/** One look at the catalog of the mesh. */
export interface Glance {
  at: number;
  tookMs: number;
  models: ModelSummary[];
  unreachable: string[];
  failure?: Failure;
}

/** Which heat map or mask lies over an image: the model and its label. */
export interface OverlayChoice {
  model: string;
  label: string;
}

export interface State {
  page: Page;
  modelName: string;
  case: CaseInput;
  run?: Run;
  entity?: EntityReference;
  overlays: Map<number, OverlayChoice | undefined>;
  imageIndex: number;
  caseOpen: boolean;
  glances: Glance[];
  card?: ModelCard;
  cardFailure?: Failure;
  dialog?: "session" | "keys";
  session: Session;
  signInFailed: boolean;
}

export const state: State = {
  page: "diagnose",
  modelName: "",
  case: { images: [], note: "", draftReport: false, bodyPart: "", problems: [] },
  overlays: new Map(),
  imageIndex: 0,
  caseOpen: true,
  glances: [],
  session: { login: false, name: "" },
  signInFailed: false,
};

let draw: () => void = () => undefined;
let scheduled = false;

export function onUpdate(redraw: () => void): void {
  draw = redraw;
}

export function update(change: Partial<State> = {}): void {
  Object.assign(state, change);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}
