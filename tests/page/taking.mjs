import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fromWww } from "../package/places.mjs";

/** What visitors take away. */
export async function testTaking(visit) {
  const clipboard = (page) => page.page.evaluate(() => navigator.clipboard.readText());

  async function file(page, button) {
    const [download] = await Promise.all([page.page.waitForEvent("download"), page.page.click(`text=${button}`)]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
  }

  await visit("the trace is JSON with the routing that is shown", "#engine=cpu&factor=0.6", async (page) => {
    const { name, text } = await file(page, "Trace (JSON)");
    assert.equal(name, "webmoe-trace.json");
    const trace = JSON.parse(text);
    const choices = await page.choices();
    assert.deepEqual(trace.routing.experts, choices.map(({ expert }) => expert));
    assert.deepEqual(trace.routing.kept, choices.map(({ slot }) => (slot === null ? 0 : 1)));
    assert.equal(trace.scores.values.length, trace.tokens.length * trace.config.experts);
    assert.equal(trace.traffic.networkBytes, await page.networkBytes());
  });

  await visit("the ledger is CSV, and its network rows add up to the total", "#engine=cpu&capacity=dropless", async (page) => {
    const { name, text } = await file(page, "Bytes (CSV)");
    assert.equal(name, "webmoe-bytes.csv");
    const [head, ...rows] = text.trim().split("\n").map((line) => line.split(","));
    assert.deepEqual(head, ["pass", "op", "kind", "from", "to", "where", "bytes", "useful_bytes"]);
    assert.equal(rows.length, 3 * 4 * 4);
    const network = rows.filter((row) => row[5] === "network").reduce((sum, row) => sum + Number(row[6]), 0);
    assert.equal(network, await page.networkBytes());
  });

  await visit("the link that is copied opens the same settings", "#engine=cpu&k=3", async (page) => {
    await page.page.click("text=Copy link");
    await page.page.waitForSelector("text=Link copied.");
    assert.equal(await clipboard(page), page.page.url());
  });

  await visit("the code that is copied is TypeScript with the present settings", "#engine=cpu&k=3&devices=2", async (page) => {
    await page.page.click("text=Copy as code");
    await page.page.waitForSelector("text=Code copied.");
    const code = await clipboard(page);
    const { default: ts } = await fromWww("typescript");
    const { diagnostics } = ts.transpileModule(code, { reportDiagnostics: true, compilerOptions: { target: "ES2022", module: "ESNext" } });
    assert.deepEqual(diagnostics, []);
    assert.match(code, /from "webmoe"/);
    assert.match(code, /k: 3,/);
    assert.match(code, /devices: 2/);
  });
}
