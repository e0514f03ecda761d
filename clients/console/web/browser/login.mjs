// The login in a browser, against a console that runs and knows provider.mjs: node browser/login.mjs HOST:PORT
import assert from "node:assert/strict";

import { diagnoseSample, openBrowser, openPage } from "./session.mjs";

const [address] = process.argv.slice(2);
const browser = await openBrowser();

async function signIn(page) {
  await page.getByRole("link", { name: "Sign in at work" }).click();
  await page.locator("[name=login]").fill("quokka");
  await page.locator("[name=password]").fill("of no worth");
  await page.locator("[type=submit]").click();
  await page.locator("button[type=submit]").click(); // what the console may know
  await page.getByRole("button", { name: "Dr. quokka" }).waitFor();
}

try {
  const { page, seen, context } = await openPage(browser, address);
  await page.getByRole("button", { name: "Take the sample case" }).click();
  await page.waitForSelector(".part.record.filled");
  await page.locator("#run").click();
  await page.getByText("The mesh asks who you are").waitFor(); // and opens the dialog
  await signIn(page);
  console.log("ok signed in");

  await diagnoseSample(page);
  assert.equal(await page.locator(".failure").count(), 0);
  console.log("ok the mesh knows the person");

  const [cookie, ...others] = (await context.cookies(`http://${address}/`)).filter(({ name }) => name.startsWith("medmesh"));
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite, others.length], ["medmesh", true, "Strict", 0]);
  const reached = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.ok(!reached.includes(cookie.value) && !/eyJ|code=|state=/.test(reached), "nothing of the session is in the page's reach");
  assert.ok(seen.requests.every(({ url }) => !/eyJ|access_token/.test(url.split("/session/end")[0])), "no token is in an address");
  console.log("ok nothing is in the page's reach");

  await page.waitForTimeout(Number(process.env.TOKEN_SECONDS ?? 0) * 1000);
  await page.reload();
  await page.getByRole("button", { name: "Dr. quokka" }).waitFor();
  await diagnoseSample(page);
  console.log("ok the token was renewed");

  await page.getByRole("button", { name: "Dr. quokka" }).click();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.locator("button[value=yes]").click(); // the provider asks
  await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  // The cookie of before opens nothing any more.
  await context.addCookies([cookie]);
  await page.reload();
  await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
  const session = await page.evaluate(async () => (await fetch("/session")).json());
  assert.deepEqual(session, { login: true, name: "" });
  console.log("ok signed out");

  // An answer that this browser did not ask for signs nobody in.
  await page.goto(`http://${address}/login/callback?code=stolen&state=made-up`);
  await page.getByText("The sign-in did not succeed").waitFor();
  assert.ok(!page.url().includes("stolen"));
  console.log("ok a foreign answer is refused");
} finally {
  await browser.close();
}
