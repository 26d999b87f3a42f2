/**
 * The side-by-side benchmark: every entry of the plan in one browser, round after round, each in a fresh page and
 * checked before it is timed. Needs `pkg/` (`cargo xtask build`).
 *
 * Usage: node benches/peers/run.mjs [--quick] [--adapter default] [--rounds N] [--only WORD,...] [--native FILE]
 *   --quick    one round of a few calls, on W1 and W3, with the fastest known form of each peer
 *   --adapter  "swiftshader" (as if not given) or "default", the machine's own GPU
 *   --rounds   how often the plan is run
 *   --only     the entries that have each of these words as peer, engine, form, threads or workload
 *   --native   lines of `benches/native.rs`, to be reported with the rest
 * The lines go to `target/bench/lines.jsonl`; a whole run on the software adapter also rewrites the measured part of
 * `docs/BENCHMARKS.md`.
 */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { serve } from "./browser.mjs";
import { machine } from "./machine.mjs";
import { makePayload } from "./payload.mjs";
import { plan } from "./plan.mjs";
import { publish, report } from "./report.mjs";
import { Session } from "./session.mjs";
import { format, median } from "./statistics.mjs";
import { workloads } from "./workloads.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const EFFORT = { warmUps: 3, calls: 10, settle: 1_000, budget: 20_000 };
/** Milliseconds: an entry that takes longer is measured in one round only. */
const SLOW = 60_000;
const QUICK = { warmUps: 1, calls: 5, settle: 500, budget: 4_000 };

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    adapter: { type: "string", default: "swiftshader" },
    rounds: { type: "string" },
    only: { type: "string", default: "" },
    native: { type: "string" },
  },
});
const words = flags.only.split(",").filter(Boolean);
const whole = !flags.quick && words.length === 0 && flags.adapter === "swiftshader";
const rounds = Number(flags.rounds ?? (flags.quick ? 1 : 3));

const folder = join(ROOT, "target/bench");
mkdirSync(folder, { recursive: true });
const file = join(folder, "lines.jsonl");
writeFileSync(file, "");
const lines = [];
function keep(line) {
  lines.push(line);
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

let payload;
const server = await serve([["/webmoe/", join(ROOT, "pkg")], ["/", join(ROOT, "benches/peers")]], (path) => {
  if (path === "/payload/layout.json") return Buffer.from(JSON.stringify(payload.arrays));
  if (path === "/payload/bytes.bin") return payload.bytes;
});
const session = new Session(flags.adapter, server.origin);
try {
  const date = new Date().toISOString().slice(0, 10);
  keep({ kind: "machine", date, command: command(), machine: machine(), rounds, ...(await session.describe()) });
  const entries = plan(flags.quick, (entry) => words.every((word) => Object.values(entry).map(String).includes(word)));
  const slow = new Set();
  for (let round = 1; round <= rounds; round++) {
    let prepared;
    for (const entry of entries.filter((entry) => !slow.has(entry))) {
      const workload = workloads[entry.workload];
      if (prepared !== workload) payload = makePayload(workload);
      prepared = workload;
      const began = Date.now();
      const task = { ...workload, ...entry, slots: payload.slots };
      try {
        const found = await session.measure(task, flags.quick ? QUICK : EFFORT);
        keep({ kind: "result", round, ...entry, ...found });
      } catch (error) {
        keep({ kind: "failure", round, ...entry, why: error.message.split("\n")[0] });
      }
      if (Date.now() - began > SLOW) slow.add(entry);
      console.log(progress(lines.at(-1)));
    }
  }
} finally {
  await session.close();
  server.close();
}
if (flags.native) readFileSync(flags.native, "utf8").split("\n").filter(Boolean).map((line) => keep(JSON.parse(line)));

const written = report(lines);
console.log(`\n${written}`);
if (whole) publish(written, join(ROOT, "docs/BENCHMARKS.md"));
process.exitCode = lines.some((line) => line.kind === "failure" && line.peer === "webmoe") ? 1 : 0;

/** As a reader would type it. */
function command() {
  const { native, ...typed } = flags;
  const words = Object.entries(typed).map(([name, value]) => (value === true ? `--${name}` : `--${name} ${value}`));
  const given = words.filter((_, i) => ![false, "", "swiftshader"].includes(Object.values(typed)[i]));
  return ["cargo xtask bench", ...given].join(" ");
}

function progress({ kind, round, workload, peer, engine, threads, form, ms, why }) {
  const who = [workload, peer, engine, threads && `${threads} thread(s)`, form].filter(Boolean).join(" ");
  return `${round}  ${who}: ${kind === "result" ? format(median(ms)) : why}`;
}
