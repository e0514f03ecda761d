// The pictures of docs/images, as PNG: node browser/pictures.mjs HOST:PORT FOLDER.
import { join } from "node:path";

import { diagnoseSample, openBrowser, openPage } from "./session.mjs";

const [address, folder] = process.argv.slice(2);
const SAMPLE = { "zh-CN": "使用示例病例", "en-GB": "Take the sample case" };
const browser = await openBrowser();

async function picture(name, { locale = "en-GB", hash = "", act = async () => {}, ...context }) {
  const opened = await openPage(browser, address, { locale, hash, ...context });
  const { page } = opened;
  if (!hash) await diagnoseSample(page, SAMPLE[locale]);
  await page.waitForTimeout(1500);
  await act(page);
  await page.waitForTimeout(400);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await opened.context.close();
}

const desktop = { viewport: { width: 1440, height: 1060 } };
const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
const toNote = async (page) => {
  await page.locator(".note-text .entity").nth(4).focus();
  await page.locator("#note-panel").evaluate((panel) => panel.scrollIntoView({ block: "start" }));
};

try {
  await picture("console", desktop);
  await picture("console-dark", { ...desktop, colorScheme: "dark", act: toNote });
  await picture("console-zh", { ...desktop, locale: "zh-CN" });
  await picture("console-phone", phone);
  await picture("console-phone-dark", { ...phone, colorScheme: "dark", locale: "zh-CN", act: (page) => page.locator(".assessments").evaluate((panel) => panel.scrollIntoView()) });
  await picture("console-model", { ...desktop, hash: "#/models/chest_xray" });
} finally {
  await browser.close();
}
