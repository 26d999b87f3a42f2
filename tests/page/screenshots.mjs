// Pictures of the page at three widths, light and dark: node tests/page/screenshots.mjs [folder] [hash]

import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, root } from "./browser.mjs";
import { serve } from "./serve.mjs";

const [folder = mkdtempSync(join(tmpdir(), "webmoe-page-")), hash = ""] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const site = await serve(process.env.SITE ?? join(root, "dist"));
const browser = await launch();
for (const [width, height] of [[1440, 900], [1024, 800], [390, 844]]) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme, hasTouch: width < 600 });
    await page.goto(`${site.url}${hash}`);
    await page.waitForSelector("#network-bytes, .failure", { timeout: 60_000 });
    const file = join(folder, `${width}-${colorScheme}.png`);
    await page.screenshot({ path: file, fullPage: true });
    console.log(file);
    await page.close();
  }
}
await browser.close();
site.close();
