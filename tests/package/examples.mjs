/** The examples, with the installed package, as their readers run them: in the page's thread and in a worker. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openPage } from "./browser.mjs";
import { examples, fromWww } from "./places.mjs";
import { serve } from "./serve.mjs";

const LIMIT_MS = 120_000;
/** Address of the published package in the plain page. */
const CDN = /https:\/\/cdn\.jsdelivr\.net\/npm\/webmoe@[^/]+/g;

export async function testExamples(tally, { folder }, browser) {
  await tally.test("the plain page runs with the package on another origin", async () => {
    const cdn = await serve(join(folder, "node_modules"));
    const page = readFileSync(join(examples, "plain/index.html"), "utf8").replace(CDN, `${cdn.origin}/webmoe`);
    const site = await serve(folder, (pathname, response) => {
      if (pathname !== "/") return false;
      response.writeHead(200, { "content-type": "text/html" }).end(page);
      return true;
    });
    try {
      await seesResults(browser, `${site.origin}/`);
    } finally {
      await Promise.all([site.close(), cdn.close()]);
    }
  });

  const vite = await fromWww("vite");
  const config = { root: folder, configFile: false, logLevel: "error" };

  await tally.test("the Vite project runs in development", async () => {
    const server = await vite.createServer({ ...config, server: { port: 0 } });
    await server.listen();
    await seesResultsOf(browser, server);
  });

  await tally.test("the Vite project runs when built", async () => {
    await vite.build(config);
    await seesResultsOf(browser, await vite.preview({ ...config, preview: { port: 0 } }));
  });
}

async function seesResultsOf(browser, server) {
  try {
    await seesResults(browser, server.resolvedUrls.local[0]);
  } finally {
    await server.close();
  }
}

/** Waits for the example's sentence; fails on anything in the console. */
async function seesResults(browser, address) {
  for (const query of ["", "?worker"]) {
    const { page, complaints } = await openPage(browser, address + query);
    const sentence = page.getByText("32 of 32 assignments kept");
    const failure = await sentence.waitFor({ timeout: LIMIT_MS }).catch((error) => error);
    if (failure) complaints.push(failure.message);
    await page.close();
    if (complaints.length) throw new Error(`${address}${query}: ${complaints.join("\n")}`);
  }
}
