/**
 * The lines of a run as Markdown, and the measured part of `docs/BENCHMARKS.md`.
 *
 * Usage: node benches/peers/report.mjs FILE prints what a file of lines says.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { judge } from "./goals.mjs";
import { Results } from "./results.mjs";
import { format, median, quantile } from "./statistics.mjs";

const ON_CPU = [{ engine: "cpu" }, { engine: "wasm", threads: 1 }, { engine: "wasm", threads: 2 }];
const NONE = "–";
const WORKLOADS = ["W1", "W2", "W3", "W4"];

/** @param {object[]} lines of one run @returns {string} Markdown */
export function report(lines) {
  const results = new Results(lines);
  const sections = [
    ["", setting(results)],
    ["Goals", goals(results)],
    ["On WebGPU", sideBySide(results, [{ engine: "webgpu" }])],
    ["On the CPU", sideBySide(results, ON_CPU)],
    ["Kernels of a forward pass on W1", kernels(results)],
    ["Reading everything", reads(results)],
    ["Natively", native(results)],
    ["Every entry", entries(results)],
  ];
  return sections
    .filter(([, text]) => text)
    .map(([title, text]) => (title ? `### ${title}\n\n${text}` : text))
    .join("\n\n");
}

/** Replaces the part of a document between the comments `<!-- NAME: begin -->` and `<!-- NAME: end -->`. */
export function publish(text, file, name = "measured") {
  const document = readFileSync(file, "utf8");
  const [begin, end] = ["begin", "end"].map((place) => `<!-- ${name}: ${place} -->`);
  const [before, rest] = document.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${file} has no part between ${begin} and ${end}`);
  writeFileSync(file, `${before}${begin}\n\n${text}\n\n${end}${after}`);
}

function setting({ machine }) {
  const { date, command, machine: cores, chromium, adapter, rounds } = machine;
  const browser = `Chromium ${chromium}; WebGPU adapter: ${adapter || "none"}`;
  return `Measured on ${date} with \`${command}\`: ${cores}; ${browser}; ${rounds} round${rounds > 1 ? "s" : ""}.`;
}

function goals(results) {
  const rows = judge(results).map(({ goal, measured, wanted, met, from }) =>
    [goal, `${measured.toFixed(2)}×`, wanted, met ? "yes" : "**no**", from]);
  return table(["goal", "measured", "wanted", "met", "medians"], rows);
}

/** The fastest form of each implementation on each workload. */
function sideBySide(results, places) {
  const rows = places.flatMap((place) => {
    const names = [...new Set(results.all(place).filter(({ name }) => name).map(({ name }) => name))];
    return names.map((name) => {
      const best = WORKLOADS.map((workload) => {
        const own = results.all({ ...place, name, workload }).filter(isPlain);
        const fastest = own.sort((a, b) => median(a.ms) - median(b.ms))[0];
        return fastest ? `${format(median(fastest.ms))}${fastest.form ? ` (${fastest.form})` : ""}` : NONE;
      });
      return [place.threads > 1 ? `${name}, ${place.threads} threads` : name, ...best];
    });
  });
  return table(["median", ...WORKLOADS], rows.filter(([, ...cells]) => cells.some((cell) => cell !== NONE)));
}

/** Not one of webmoe's own variants. */
const isPlain = ({ peer, form }) => peer !== "webmoe" || form === undefined;

function kernels(results) {
  const [entry] = results.all({ peer: "webmoe", form: "kernels" });
  if (!entry) return "";
  const rows = Object.keys(entry.kernels[0]).map((name) => [`\`${name}\``, format(results.kernels("webmoe", [name]))]);
  const [raw] = results.all({ peer: "raw-products" });
  if (raw) {
    const row = (name) => [`raw product, ${name}`, format(results.kernels("raw-products", [name]))];
    rows.push(...["in", "out"].map(row));
  }
  const note = raw ? `\n\nTilings of the raw products: ${raw.about}.` : "";
  return table(["on the GPU's clock", "median"], rows) + note;
}

function reads(results) {
  const rows = results.all({ peer: "webmoe", form: "everything read" }).map((all) => {
    const output = results.ours(all.engine, all.workload);
    return output && [all.workload, all.engine, format(median(output.ms)), format(median(all.ms))];
  });
  return table(["workload", "engine", "output only", "output, routing, losses, traffic"], rows.filter(Boolean));
}

function native({ native }) {
  const measured = [...WORKLOADS, "W1-E64", "W1-N8"];
  const places = [...new Set(native.map(({ adapter }) => adapter))];
  const rows = places.map((place) => [
    place,
    ...measured.map((name) => {
      const line = native.find(({ adapter, workload }) => adapter === place && workload === name);
      return line ? format(median(line.ms)) : NONE;
    }),
  ]);
  return table(["webmoe without a browser, median", ...measured], rows);
}

function entries(results) {
  const rows = results.all({}).map((entry) => {
    const quartiles = [0.25, 0.5, 0.75].map((share) => Number(quantile(entry.ms, share).toPrecision(3))).join(" / ");
    const who = entry.name ?? "raw products";
    const place = entry.threads ? `${entry.engine}, ${entry.threads}` : entry.engine;
    const { workload, form = "", firstMs, cpuMs, ms: calls } = entry;
    const error = entry.error.toExponential(1);
    return [workload, who, place, form, quartiles, calls.length, format(firstMs), format(cpuMs), error];
  });
  const failed = results.failures.map(({ workload, peer, engine, threads, form = "", why }) =>
    [workload, peer, threads ? `${engine}, ${threads}` : engine, form, why, "", "", "", ""]);
  const what = ["workload", "implementation", "engine, threads", "form"];
  return table([...what, "quartiles, ms", "calls", "first call", "CPU a call", "error"], [...rows, ...failed]);
}

/** Rows under a head; empty without rows. */
export function table(head, rows) {
  if (rows.length === 0) return "";
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

if (process.argv[2] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const lines = readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean);
  console.log(report(lines.map((line) => JSON.parse(line))));
}
