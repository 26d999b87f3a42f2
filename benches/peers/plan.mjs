/**
 * What is measured: of each peer the forms that are fastest on an engine. Those left out took several times as long
 * where they were tried, or minutes a call; TensorFlow.js's training step (W4) six times as long as jax-js's.
 */

const ALL = ["W1", "W1-E64", "W1-N8", "W2", "W3", "W4"];
const ALL_READS = { read: ["output", "routing", "losses", "traffic"], form: "everything read" };

/** `quick`: the workloads of a quick run. */
const ENTRIES = [
  { peer: "webmoe", engine: "webgpu", workloads: ALL, quick: ["W1", "W3"] },
  { peer: "webmoe", engine: "webgpu", ...ALL_READS, workloads: ["W1", "W3"] },
  { peer: "jax", engine: "webgpu", form: "gather", workloads: ["W1", "W2", "W4"], quick: ["W1"] },
  { peer: "jax", engine: "webgpu", form: "oneHot", workloads: ["W4"] },
  { peer: "jax", engine: "webgpu", form: "dense", workloads: ["W3"], quick: ["W3"] },
  { peer: "jax", engine: "webgpu", form: "chosen", workloads: ["W3"] },
  { peer: "tfjs", engine: "webgpu", workloads: ["W1", "W2", "W3"] },
  { peer: "onnxruntime", engine: "webgpu", form: "slots", workloads: ["W1", "W2"] },
  { peer: "onnxruntime", engine: "webgpu", form: "loop", workloads: ["W1", "W3"] },
  { peer: "onnxruntime", engine: "webgpu", form: "chosen", workloads: ["W3"] },

  { peer: "webmoe", engine: "cpu", workloads: ALL, quick: ["W1", "W3"] },
  { peer: "webmoe", engine: "cpu", ...ALL_READS, workloads: ["W1", "W3"] },
  ...[1, 2].flatMap((threads) => [
    { peer: "onnxruntime", engine: "wasm", threads, form: "moe", workloads: ["W1", "W2", "W3"], quick: ["W1", "W3"] },
    { peer: "onnxruntime", engine: "wasm", threads, form: "slots", workloads: ["W1", "W2"] },
    { peer: "onnxruntime", engine: "wasm", threads, form: "loop", workloads: ["W1", "W2", "W3"], quick: ["W3"] },
    { peer: "onnxruntime", engine: "wasm", threads, form: "chosen", workloads: ["W3"] },
    { peer: "tfjs", engine: "wasm", threads, workloads: ["W1", "W2", "W3"] },
  ]),
  { peer: "jax", engine: "wasm", threads: 1, form: "gather", workloads: ["W1", "W2", "W4"] },
  { peer: "jax", engine: "wasm", threads: 1, form: "dense", workloads: ["W3"] },

  { peer: "raw-products", engine: "webgpu", form: "kernels", workloads: ["W1"], quick: ["W1"] },
  { peer: "webmoe", engine: "webgpu", clocked: true, form: "kernels", workloads: ["W1"], quick: ["W1"] },
];

/**
 * The entries of a run, workload by workload, so that what is compared is measured within minutes.
 * @param {boolean} quick the short list
 * @param {(entry: object) => boolean} only those that are wanted
 */
export function plan(quick, only) {
  const entries = ENTRIES.flatMap(({ workloads, quick: few = [], ...entry }) =>
    (quick ? few : workloads).map((workload) => ({ ...entry, workload })),
  ).filter(only);
  return entries.sort((a, b) => ALL.indexOf(a.workload) - ALL.indexOf(b.workload));
}
