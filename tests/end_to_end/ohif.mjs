// Opens a study and its report: node ohif.mjs VIEWER-ADDRESS REPORT.html FOLDER, in a folder whose node_modules has
// playwright-core. Writes a picture of each, and fails where the viewer does not list and draw the results.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { join } from "node:path";

const { chromium } = createRequire(join(process.cwd(), "package.json"))("playwright-core");
const [viewer, report, folder] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--no-proxy-server"], // containers have no user namespaces; the viewer is on this machine
});

/** Whether the picture that the viewer draws has colours: the X-ray has none, the activation map has. */
const coloured = (page) =>
  page.waitForFunction(() => {
    const drawn = document.querySelector(".cornerstone-canvas");
    if (!drawn) return false;
    const { data } = drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height);
    for (let at = 0; at < data.length; at += 4) if (data[at] - data[at + 2] > 100) return true;
    return false;
  });

try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(90_000);
  await page.goto(viewer);
  await page.getByText("Skip all").click(); // a tour lies over everything at the first visit
  await page.getByText("Confirm and hide").click();
  await page.getByText("AI overlay").first().dblclick();
  await coloured(page);
  const listed = await page.locator("body").innerText();
  assert.match(listed, /AI findings \(AI, research use, not for diagnosis\)/);
  await page.screenshot({ path: join(folder, "ohif.png") });
  await page.goto(`file://${report}`);
  assert.match(await page.locator("body").innerText(), /not for diagnosis/i);
  await page.screenshot({ path: join(folder, "report.png") });
} finally {
  await browser.close();
}
