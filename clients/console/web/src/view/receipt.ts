// The receipt: what was computed from what, and its verification on this machine.
import { html, nothing, type TemplateResult } from "lit";
import { toJsonString } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";

import { EvidenceReceiptSchema, type EvidenceReceipt } from "../gen/medmesh/orchestrator/v1/receipt_pb";
import { short } from "../format";
import { statementOf, verify, type Verification } from "../receipt";
import { update, type Run } from "../state";
import { spoken, t, valueOf } from "../words";
import { provenance } from "./notices";

export function receiptPanel(run: Run): TemplateResult | typeof nothing {
  const receipt = run.diagnosis?.receipt;
  const predicate = receipt && statementOf(receipt)?.predicate;
  if (!receipt || !predicate) return nothing;
  const made = predicate.createTime ? timestampDate(predicate.createTime) : undefined;
  const keys = receipt.signatures.map(({ keyid }) => short(keyid)).join(", ");
  return html`<section class="receipt panel" aria-labelledby="receipt-title">
    <header>
      <h2 id="receipt-title">${t("receipt.title")}</h2>
      <p class="sub">${t("receipt.sub")}</p>
    </header>
    <dl class="facts">
      <dt>${t("receipt.id")}</dt>
      <dd><code>${predicate.receiptId}</code></dd>
      <dt>${t("receipt.made")}</dt>
      <dd>${made?.toLocaleString(spoken() === "zh" ? "zh-CN" : "en-GB")}</dd>
      <dt>${t("receipt.signature")}</dt>
      <dd>${keys ? t("receipt.signed_by", { keys }) : t("receipt.unsigned")}</dd>
      <dt>${t("receipt.request")}</dt>
      <dd><code>${run.diagnosis?.correlationId}</code></dd>
    </dl>
    <div class="actions">
      <button class="button" id="verify" @click=${() => void check(run, receipt)}>${t("receipt.verify")}</button>
      <label class="pick">
        <input
          type="file"
          class="visually-hidden"
          accept=".pem"
          @change=${async (event: Event) => {
            const [file] = (event.target as HTMLInputElement).files ?? [];
            if (file) await check(run, receipt, await file.text());
          }}
        />
        <span class="button">${t("receipt.with_key")}</span>
      </label>
      <button class="button" @click=${() => save(receipt, predicate.receiptId)}>${t("receipt.save")}</button>
    </div>
    <div role="status">${run.verification ? verified(run.verification) : nothing}</div>
    <details class="more">
      <summary>${t("receipt.models", { count: predicate.models.length })}</summary>
      ${predicate.models.map(provenance)}
    </details>
  </section>`;
}

function verified(one: Verification): TemplateResult {
  return html`<ul class="verdicts">
      ${one.inputs.map(
        ({ kind, imageIndex, verdict }) => html`<li class=${`v-${verdict}`}>
          ${valueOf("input", kind)}${imageIndex === undefined ? "" : ` ${imageIndex + 1}`}: ${valueOf("verdict", verdict)}
        </li>`,
      )}
      <li class=${`v-${one.signature}`}>${t("receipt.signature")}: ${valueOf("signature", one.signature)}</li>
    </ul>
    <p class="sub">${t("receipt.payload")} <code>${one.payloadSha256}</code></p>`;
}

async function check(run: Run, receipt: EvidenceReceipt, pem = ""): Promise<void> {
  run.verification = await verify(receipt, run.case, pem);
  update();
}

function save(receipt: EvidenceReceipt, id: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([toJsonString(EvidenceReceiptSchema, receipt)], { type: "application/json" }));
  link.download = `receipt-${id}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
