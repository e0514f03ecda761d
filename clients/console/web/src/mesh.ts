// The mesh, by Connect over the address that the page came from. The token of a session lives in this module's memory alone.
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema } from "./gen/google/rpc/error_details_pb";
import { ModelCatalogService } from "./gen/medmesh/common/v1/catalog_pb";
import { DiagnosticService } from "./gen/medmesh/orchestrator/v1/orchestrator_pb";

let token = "";

export function useToken(given: string): void {
  token = given.trim();
}

export function hasToken(): boolean {
  return token !== "";
}

export function authorization(): Record<string, string> {
  return token === "" ? {} : { authorization: `Bearer ${token}` };
}

const authorized: Interceptor = (next) => (request) => {
  for (const [name, value] of Object.entries(authorization())) request.header.set(name, value);
  return next(request);
};

export const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [authorized],
});

export const diagnostics = createClient(DiagnosticService, transport);
export const catalog = createClient(ModelCatalogService, transport);

/** What went wrong, as the mesh says it. None of it quotes the input. */
export interface Failure {
  reason: string;
  message: string;
  fields: { field: string; description: string }[];
  requestId: string;
  needsSession: boolean;
}

export function failure(error: unknown): Failure {
  const known = ConnectError.from(error);
  return {
    reason: known.findDetails(ErrorInfoSchema)[0]?.reason ?? Code[known.code]?.toUpperCase() ?? "UNKNOWN",
    message: known.rawMessage,
    fields: known
      .findDetails(BadRequestSchema)
      .flatMap((detail) => detail.fieldViolations)
      .map(({ field, description }) => ({ field, description })),
    requestId: known.findDetails(RequestInfoSchema)[0]?.requestId ?? known.metadata.get("x-request-id") ?? "",
    needsSession: known.code === Code.Unauthenticated,
  };
}

export function wasCancelled(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Canceled;
}
