// Every flow of the page in one browser session, against a console that runs: node browser/flows.mjs HOST:PORT FOLDER
//
// FOLDER has what the flows drop: a series (series/*.dcm), a picture that is none (broken.png), the receipt's public key (key.pem).
// The note that they write holds a canary; nothing but the body of a request may carry it.
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import { diagnoseSample, openBrowser, openPage } from "./session.mjs";

const [address, folder] = process.argv.slice(2);
const CANARY = "Zyxwvut Quokkason";
const AXE = await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const browser = await openBrowser();

async function flow(name, steps) {
  const began = performance.now();
  await steps();
  console.log(`ok ${name} (${Math.round(performance.now() - began)} ms)`);
}

async function accessible(page, name) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run({ resultTypes: ["violations"] }));
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(said, [], `${name} is accessible`);
}

/** Waits until what is drawn there says so. */
async function says(page, selector, expected) {
  const place = page.locator(selector).first();
  const deadline = performance.now() + 30_000;
  let said = "";
  while (performance.now() < deadline) {
    said = (await place.count()) > 0 ? await place.innerText() : "";
    if (expected.test(said)) return;
    await page.waitForTimeout(25);
  }
  assert.match(said, expected);
}

const text = (page, selector) => page.locator(selector).first().innerText();

try {
  // axe is put into the page from outside, which its policy forbids; all other flows run under the policy.
  const main = await openPage(browser, address);
  const { page, seen } = main;

  await flow("the sample is answered, live, branch by branch", async () => {
    await diagnoseSample(page);
    assert.equal(await page.locator(".lane.ended").count(), 5);
    await says(page, ".verdict", /Complete[\s\S]*Review required/);
    assert.ok((await page.locator(".assessment").count()) >= 3);
    const pneumonia = page.locator(".assessment", { has: page.getByText("SNOMED CT 233604007") });
    assert.match(await pneumonia.innerText(), /without it|\d+\.\d %/);
    assert.match(await text(page, ".treatment.contraindicated .safety"), /contraindicated[\s\S]*penicillin/i);
    assert.ok((await page.locator(".sentence .chip").count()) > 5);
    assert.ok((await page.locator(".waterfall .span").count()) >= 4);
  });

  await flow("the viewer obeys the keys, and the overlay its slider", async () => {
    const viewport = page.locator("image-viewport");
    const pixels = () => viewport.locator("canvas").evaluate((canvas) => canvas.toDataURL().length + canvas.toDataURL());
    const changes = async (what, act) => {
      const before = await pixels();
      await act();
      await page.waitForTimeout(60);
      assert.notEqual(await pixels(), before, what);
    };
    await viewport.focus();
    const state = () => text(page, ".viewer-state");
    const window = await state();
    for (const [what, key] of Object.entries({ window: "ArrowRight", level: "ArrowUp", invert: "i", zoom: "+", pan: "Shift+ArrowLeft" })) {
      await changes(what, () => page.keyboard.press(key));
    }
    await changes("reset", () => page.keyboard.press("0"));
    assert.equal(await state(), window);
    await changes("opacity", () => page.getByLabel("Opacity").fill("0.9"));
    await changes("no overlay", () => page.getByLabel("Overlay").selectOption(""));
    await page.getByLabel("As the model saw it").check();
    assert.ok(await page.locator("img.rendered").evaluate((image) => image.complete && image.naturalWidth > 0));
    await page.getByLabel("As the model saw it").uncheck();
  });

  await flow("an entity says what decided it", async () => {
    await page.locator(".note-text .entity", { hasText: "pleural effusion" }).focus();
    await says(page, ".entity-details", /pleural effusion absent[\s\S]*decided by “No”[\s\S]*J90/);
    await says(page, ".note-text .trigger", /^No$/);
  });

  await flow("evidence leads to where it stands", async () => {
    await page.locator(".assessment .link", { hasText: "Pneumonia possible" }).click();
    await says(page, ".note-text .entity.chosen", /pneumonia/);
  });

  await flow("a sentence of the draft leads to its evidence", async () => {
    await page.locator(".sentence", { hasText: "There is fever." }).locator("button.chip").click();
    await says(page, ".note-text .entity.chosen", /fever/);
  });

  await flow("the receipt is verified, with a key too", async () => {
    await page.locator("#verify").click();
    await page.waitForSelector(".verdicts");
    for (const part of ["Image file 1", "Note", "Record"]) await says(page, ".verdicts", new RegExp(`${part}: matches`));
    await page.locator(".receipt input[type=file]").setInputFiles(join(folder, "key.pem"));
    await page.waitForSelector(".v-valid");
  });

  await flow("another case, dropped: a series, and a note that names somebody", async () => {
    await page.locator(".case > summary").click();
    await page.getByRole("button", { name: "Remove image 1" }).click();
    const series = (await readdir(join(folder, "series"))).map((name) => join(folder, "series", name));
    await page.locator(".part.study input[type=file]").setInputFiles(series);
    await page.locator(".part.note textarea").fill(`${CANARY} has no fever. He does not have asthma.`);
    await page.getByLabel("Draft a report").uncheck();
    await page.keyboard.press("Control+Enter");
    await page.waitForSelector(".verdict:not(.waiting-panel)", { timeout: 60_000 });
    await says(page, ".disagreement", /disagree on Asthma[\s\S]*For it[\s\S]*Record: [\s\S]*Against it[\s\S]*Note: “asthma” absent/);
    await page.locator("image-viewport").focus();
    const before = await text(page, ".viewer-state");
    assert.match(before, new RegExp(`of ${series.length}`));
    await page.keyboard.press("PageDown");
    await page.waitForFunction((was) => document.querySelector(".viewer-state").innerText !== was, before);
    await says(page, ".note-text .entity", /fever/);
  });

  await flow("a file that is no image is refused by name, and the page goes on", async () => {
    await page.locator(".case > summary").click();
    await page.getByRole("button", { name: "Remove image 1" }).click();
    await page.getByRole("button", { name: "Remove the record" }).click();
    await page.locator(".part.study input[type=file]").setInputFiles(join(folder, "broken.png"));
    await page.locator(".part.note textarea").fill("");
    await page.locator("#run").click();
    await page.waitForSelector(".failure");
    await says(page, ".failure", /case\.images\[0\]\.sources[\s\S]*INPUT_/);
  });

  await flow("nothing of a case is in an address, stored, logged, or sent elsewhere", async () => {
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.equal(stored, '[{},{},""]');
    assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
    for (const { url } of seen.requests) {
      assert.ok(url.startsWith(`http://${address}/`) || url.startsWith("blob:"), url);
      for (const word of CANARY.split(" ")) assert.ok(!url.includes(word), url);
    }
    const logged = [...seen.console, ...seen.errors].filter((line) => !line.includes("Failed to load resource"));
    assert.deepEqual(logged, []);
    assert.ok(!page.url().includes("?"), "the address names a page, never a case");
  });

  await flow("models, one with its card", async () => {
    await page.getByRole("link", { name: "Models" }).click();
    await page.getByRole("link", { name: /^chest_xray/ }).click();
    await page.waitForSelector(".model-card");
    await says(page, ".model-card", /Limitations/);
    assert.ok((await page.locator(".forest").count()) > 2);
    await page.getByRole("link", { name: /^clinical_ner/ }).click();
    await page.waitForSelector(".calibration .curve");
  });

  await flow("health", async () => {
    await page.getByRole("link", { name: /^Health/ }).click();
    await page.waitForSelector(".service.good");
    assert.equal(await page.locator(".service").count(), 3);
  });

  await flow("a token is used for this page alone, and forgotten", async () => {
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByLabel("Token").fill("a-token");
    const [request] = await Promise.all([
      page.waitForRequest((one) => one.url().endsWith("ListModels")),
      page.getByRole("button", { name: "Use it" }).click(),
    ]);
    assert.equal(request.headers()["authorization"], "Bearer a-token");
    await page.getByRole("button", { name: "Signed in" }).click();
    await page.getByRole("button", { name: "Forget it" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
  });
  await main.context.close();

  await flow("Chinese, dark and narrow, and accessible on every page", async () => {
    const narrow = { viewport: { width: 390, height: 844 }, locale: "zh-CN", colorScheme: "dark", bypassCSP: true };
    const { page, context } = await openPage(browser, address, narrow);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "zh-Hans");
    await accessible(page, "the start");
    await diagnoseSample(page, "使用示例病例");
    await page.locator("#verify").click();
    await page.waitForSelector(".verdicts");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, "nothing is wider than a phone");
    await accessible(page, "the answer");
    await page.getByRole("link", { name: "模型" }).click();
    await page.getByRole("link", { name: /^clinical_ner/ }).click();
    await page.waitForSelector(".model-card");
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 390, "nor is a card");
    await accessible(page, "a card");
    await page.getByRole("button", { name: "English" }).click();
    await page.getByRole("button", { name: "Light look" }).click();
    await page.getByRole("link", { name: /^Health/ }).click();
    await page.waitForSelector(".service");
    await accessible(page, "health");
    assert.match(page.url(), /lang=en&look=light#\/health$/);
    await context.close();
  });
} finally {
  await browser.close();
}
