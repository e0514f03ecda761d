// One session of the machine's own Chromium, and what every visit to the page needs.
import { chromium } from "playwright-core";

/** Opens a browser; whatever the page logs, requests elsewhere or throws is kept in `seen`. */
export async function openBrowser() {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--no-proxy-server"], // containers have no user namespaces; the page is on this machine
  });
  return browser;
}

export async function openPage(browser, address, { hash = "", ...context } = {}) {
  const opened = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", ...context });
  const page = await opened.newPage();
  const seen = { requests: [], errors: [], console: [] };
  page.on("request", (request) => seen.requests.push({ url: request.url(), method: request.method() }));
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => seen.console.push(`${message.type()}: ${message.text()}`));
  await page.goto(`http://${address}/${hash}`);
  await page.waitForSelector("main");
  return { page, seen, context: opened };
}

/** Takes the sample case and waits for its whole answer. */
export async function diagnoseSample(page, sample = "Take the sample case") {
  await page.getByRole("button", { name: sample }).click();
  await page.waitForSelector(".part.record.filled");
  await page.locator("#run").click();
  await page.waitForSelector(".verdict:not(.waiting-panel)", { timeout: 60_000 });
}
