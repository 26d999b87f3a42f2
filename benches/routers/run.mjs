/**
 * What routing costs: a layer of every router on the same tokens, with experts so small that they cost next to nothing.
 * Needs `pkg/` (`cargo xtask build`).
 *
 * Usage: node benches/routers/run.mjs [--adapter default] [--only WORD]
 *   --adapter  "swiftshader" (as if not given) or "default", the machine's own GPU
 *   --only     the layers whose name has this word
 * A whole run on the software adapter rewrites its part of `docs/BENCHMARKS.md`.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openBrowser, serve } from "../peers/browser.mjs";
import { machine } from "../peers/machine.mjs";
import { publish, table } from "../peers/report.mjs";
import { format, median } from "../peers/statistics.mjs";
import { layers } from "./layers.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The first of `layers`, which the others are compared with. */
const [BASE] = Object.keys(layers);

const { values: flags } = parseArgs({
  options: { adapter: { type: "string", default: "swiftshader" }, only: { type: "string", default: "" } },
});
const names = Object.keys(layers).filter((name) => name === BASE || name.includes(flags.only));

const folders = [["/webmoe/", join(ROOT, "pkg")], ["/peers/", join(ROOT, "benches/peers")], ["/", join(ROOT, "benches/routers")]];
const server = await serve(folders, () => undefined);
const browser = await openBrowser(flags.adapter);
const measured = {};
let adapter;
try {
  for (const name of names) {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/page.html`);
    await page.waitForFunction("globalThis.bench");
    measured[name] = await page.evaluate((name) => bench.measure(name), name);
    adapter ??= measured[name].adapter;
    await page.close();
    console.log(`${name}: ${format(routing(measured[name]))}`);
  }
} finally {
  await browser.close();
  server.close();
}

const written = report();
console.log(`\n${written}`);
if (flags.only === "" && flags.adapter === "swiftshader") publish(written, join(ROOT, "docs/BENCHMARKS.md"), "routers");

/** Median milliseconds of a forward pass's routing kernels, together. */
function routing({ kernels }) {
  return median(kernels.map((call) => Object.values(call).reduce((sum, ms) => sum + ms, 0)));
}

function report() {
  const version = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8")).version;
  const date = new Date().toISOString().slice(0, 10);
  const base = routing(measured[BASE]);
  const rows = names.map((name) => {
    const { kernels, dispatches, solver, cpu } = measured[name];
    const ratio = `${(routing(measured[name]) / base).toFixed(2)}×`;
    const slowest = Object.keys(kernels[0])
      .map((kernel) => [kernel, median(kernels.map((call) => call[kernel]))])
      .sort(([, a], [, b]) => b - a)[0];
    const iterations = solver === undefined ? "" : String(solver);
    return [name, format(routing(measured[name])), ratio, iterations, String(dispatches), `\`${slowest[0]}\` ${format(slowest[1])}`, format(median(cpu))];
  });
  const head = ["router", "routing, WebGPU", "beside top-k", "iterations", "dispatches", "slowest kernel", "forward, CPU engine"];
  return [
    `Measured on ${date} with \`cargo xtask bench --routers\`, webmoe ${version}: ${machine()}; WebGPU adapter: ${adapter}.`,
    table(head, rows),
  ].join("\n\n");
}
