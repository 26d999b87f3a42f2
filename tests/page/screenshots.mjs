/** Pictures of the page at every width, light and dark: node tests/page/screenshots.mjs [folder] [hash]. */
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBrowser } from "../package/browser.mjs";
import { root } from "../package/places.mjs";
import { serve } from "./serve.mjs";
import { Visit, WIDTHS } from "./visit.mjs";

const [folder = mkdtempSync(join(tmpdir(), "webmoe-page-")), hash = ""] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const site = await serve(join(root, "dist"));
const browser = await openBrowser();
for (const width of WIDTHS) {
  for (const colorScheme of ["light", "dark"]) {
    const visit = await Visit.open(browser, site.address, hash, { viewport: { width, height: 900 }, hasTouch: width < 600, colorScheme });
    const path = join(folder, `${width}-${colorScheme}.png`);
    await visit.page.screenshot({ path, fullPage: true });
    console.log(path);
    await visit.close();
  }
}
await browser.close();
await site.close();
