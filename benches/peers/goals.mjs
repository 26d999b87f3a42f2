/** What webmoe is to reach, and whether it does. */
import { format, median } from "./statistics.mjs";

/** @typedef {{ goal: string, wanted: string, measured: number, met: boolean, from: string }} Verdict */

/** Ratio of `a` to `b` by their medians, if both were measured. */
const ratio = (a, b) => (a && b ? median(a.ms) / median(b.ms) : undefined);

/** @param {import("./results.mjs").Results} results @returns {Verdict[]} of the goals whose entries were measured */
export function judge(results) {
  const atLeast = (limit) => ({ wanted: `≥ ${limit}`, meets: (value) => value >= limit });
  const atMost = (limit) => ({ wanted: `≤ ${limit}`, meets: (value) => value <= limit });
  const against = (engine, peers, workload, limit, what) => {
    const ours = results.ours(engine, workload);
    const peer = results.fastestPeer({ workload, ...peers });
    const from = peer && ours && `${describe(peer)}: ${show(peer)}; webmoe: ${show(ours)}`;
    return { goal: `${workload}: ${what}`, ...limit, measured: ratio(peer, ours), from };
  };
  const scaling = (engine, variant, what) => {
    const [base, scaled] = [results.ours(engine, "W1"), results.ours(engine, variant)];
    const from = base && scaled && `${show(base)} → ${show(scaled)}`;
    return { goal: `${what}, ${NAMES[engine]}`, ...atMost(1.25), measured: ratio(scaled, base), from };
  };
  const [raw, products] = [
    results.kernels("raw-products", ["in", "out"]),
    results.kernels("webmoe", ["expert_in", "expert_out"]),
  ];
  const wasm = { engine: "wasm", threads: 1 };
  return [
    ...["W1", "W2", "W3"].map((workload) =>
      against("webgpu", { engine: "webgpu" }, workload, atLeast(2), "WebGPU engine over the fastest peer on WebGPU")),
    ...["W1", "W2", "W3"].map((workload) =>
      against("cpu", wasm, workload, atLeast(1), "CPU engine over the fastest peer on wasm, one thread each")),
    {
      goal: "W1: the experts' two products over raw WGSL products",
      ...atLeast(0.9),
      measured: raw / products || undefined,
      from: `${format(raw)} raw; ${format(products)} in the layer`,
    },
    ...["webgpu", "cpu"].flatMap((engine) => [
      scaling(engine, "W1-E64", "8 → 64 experts, the same T·k"),
      scaling(engine, "W1-N8", "1 → 8 virtual devices, the same tokens"),
    ]),
  ]
    .filter(({ measured }) => measured !== undefined)
    .map(({ meets, ...verdict }) => ({ ...verdict, met: meets(verdict.measured) }));
}

const NAMES = { webgpu: "WebGPU engine", cpu: "CPU engine" };

/** A peer and its form. */
const describe = ({ name, form }) => (form ? `${name} (${form})` : name);

const show = (entry) => format(median(entry.ms));
