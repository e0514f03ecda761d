// Reads what an error of medmesh carries beside its status and sentence.

import { Code, ConnectError } from "@connectrpc/connect";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** One line a fact: status and reason, the fields at fault, when to try again. */
export function explain(caught: unknown): string {
  const error = ConnectError.from(caught);
  const lines = [`${Code[error.code]}: ${error.rawMessage}`];
  for (const { reason } of error.findDetails(ErrorInfoSchema)) {
    lines.push(`reason: ${reason}`); // the names are those of docs/errors.md
  }
  for (const { fieldViolations } of error.findDetails(BadRequestSchema)) {
    for (const { field, description } of fieldViolations) lines.push(`${field}: ${description}`);
  }
  for (const { retryDelay } of error.findDetails(RetryInfoSchema)) {
    lines.push(`try again in ${retryDelay?.seconds ?? 0} s`);
  }
  return lines.join("\n");
}
