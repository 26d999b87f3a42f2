/** The claims of `claims/`, each run in a plain page of Chromium that loads the installed package as files. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "./browser.mjs";
import { here } from "./places.mjs";
import { serve } from "./serve.mjs";

const LIMIT_MS = 120_000;

export async function testClaims(tally, { folder }, browser) {
  const site = await serve(folder, answerAsOldVite);
  const { page, complaints } = await openPage(browser, `${site.origin}/claims/index.html`, "/nowhere.");
  for (const file of readdirSync(join(here, "claims")).filter((name) => name.endsWith(".claims.js"))) {
    const address = `${site.origin}/claims/${file}`;
    const names = await page.evaluate(async (at) => Object.keys((await import(at)).default), address);
    for (const name of names) {
      await tally.test(name, () => within(LIMIT_MS, page.evaluate(runClaim, { address, name })));
    }
  }
  await tally.test("the console stays clean while all of this runs", () => {
    if (complaints.length) throw new Error(complaints.join("\n"));
  });
  await page.close();
  await site.close();
}

async function runClaim({ address, name }) {
  const claims = (await import(address)).default;
  await claims[name]();
}

/** As Vite up to 7 does in development: its page, with status 200, for a file that it moved away. */
function answerAsOldVite(pathname, response) {
  if (pathname !== "/moved/webmoe_bg.wasm") return false;
  response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
  return true;
}

function within(limitMs, work) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${limitMs / 1000} s`)), limitMs);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}
