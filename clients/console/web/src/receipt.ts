// A receipt, verified on this machine: its digests against the case that was sent, its signature against a key that the
// reader holds. docs/receipts.md says over what they are made.
import { fromJson } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";

import {
  InputDigest_Kind,
  ReceiptStatementSchema,
  type EvidenceReceipt,
  type ReceiptStatement,
} from "./gen/medmesh/orchestrator/v1/receipt_pb";
import { joined } from "./bytes";
import type { CaseInput } from "./case";

export type Verdict = "match" | "differ" | "unchecked";

export interface Verification {
  inputs: { kind: string; imageIndex?: number; verdict: Verdict }[];
  payloadSha256: string;
  signature: "valid" | "invalid" | "unsigned" | "no_key" | "not_possible";
}

export function statementOf(receipt: EvidenceReceipt): ReceiptStatement | undefined {
  try {
    const json = JSON.parse(new TextDecoder().decode(receipt.payload));
    return fromJson(ReceiptStatementSchema, json, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

export async function verify(receipt: EvidenceReceipt, input: CaseInput, publicKeyPem = ""): Promise<Verification> {
  const predicate = statementOf(receipt)?.predicate;
  const key = await crypto.subtle.importKey(
    "raw",
    bytesOfHex(predicate?.salt ?? "00"),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  const inputs = await Promise.all(
    (predicate?.inputs ?? []).map(async (one) => {
      const bytes = digested(one.kind, one.imageIndex ?? 0, input);
      const verdict: Verdict =
        bytes === undefined
          ? "unchecked"
          : hex(await crypto.subtle.sign("HMAC", key, bytes)) === one.hmacSha256
            ? "match"
            : "differ";
      return { kind: InputDigest_Kind[one.kind] ?? String(one.kind), imageIndex: one.imageIndex, verdict };
    }),
  );
  const payloadSha256 = hex(await crypto.subtle.digest("SHA-256", new Uint8Array(receipt.payload)));
  return { inputs, payloadSha256, signature: await signatureOf(receipt, publicKeyPem) };
}

/** The bytes that a digest is of, where this page has them. */
function digested(kind: InputDigest_Kind, index: number, input: CaseInput): Uint8Array<ArrayBuffer> | undefined {
  if (kind === InputDigest_Kind.NOTE) return new TextEncoder().encode(input.note);
  if (kind === InputDigest_Kind.RECORD) return input.record?.bytes;
  if (kind === InputDigest_Kind.IMAGE_FILE) return joined(input.images[index]?.files.map(({ bytes }) => bytes) ?? []);
  return undefined;
}

async function signatureOf(receipt: EvidenceReceipt, pem: string): Promise<Verification["signature"]> {
  if (receipt.signatures.length === 0) return "unsigned";
  if (pem.trim() === "") return "no_key";
  try {
    const der = new Uint8Array(base64Decode(pem.replace(/-----[^-]+-----/g, "").replace(/\s/g, "")));
    const key = await crypto.subtle.importKey("spki", der, { name: "Ed25519" }, false, ["verify"]);
    const type = receipt.payloadType;
    const preamble = `DSSEv1 ${new TextEncoder().encode(type).length} ${type} ${receipt.payload.length} `;
    const signed = joined([new TextEncoder().encode(preamble), new Uint8Array(receipt.payload)]);
    for (const { sig } of receipt.signatures) {
      if (await crypto.subtle.verify({ name: "Ed25519" }, key, new Uint8Array(sig), signed)) return "valid";
    }
    return "invalid";
  } catch {
    return "not_possible";
  }
}

function bytesOfHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function hex(buffer: ArrayBuffer): string {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
