/** One router's layer in a page of its own. */
import { createRuntime } from "webmoe";
import { openClockedDevice } from "/peers/page/gpu-clock.mjs";
import { HIDDEN, EXPERTS, TOKENS, WIDTH, layers } from "./layers.mjs";

const WARM_UPS = 2;
const CALLS = 7;
/** Kernels of a forward pass that are not routing. */
const WORK = ["expert_in", "expert_out", "combine", "exchange"];

/** @param {string} name of `layers` */
export async function measure(name) {
  const { device, take } = await openClockedDevice();
  const gpu = await createRuntime({ gpuDevice: device });
  const { forward, layer } = await open(gpu, name);
  for (let i = 0; i < WARM_UPS; i++) await forward();
  const before = await gpu.counters();
  await forward();
  const { dispatches } = await gpu.counters();
  await take();
  const kernels = [];
  for (let i = 0; i < CALLS; i++) {
    await forward();
    kernels.push(Object.fromEntries(Object.entries(await take()).filter(([kernel]) => !WORK.includes(kernel))));
  }
  const solver = await iterations(layer, name);
  const cpu = await onTheCpu(name);
  return { kernels, dispatches: dispatches - before.dispatches, solver, cpu, adapter: gpu.adapter };
}

async function open(runtime, name) {
  const { options = {}, solves: _, ...config } = layers[name];
  const layer = await runtime.createLayer({ dModel: WIDTH, dFf: HIDDEN, experts: EXPERTS, activation: "relu", ...config });
  const { router } = await layer.weights();
  // logits of about unit size, some experts liked better than others
  if (router.length > 0) await layer.setWeights({ router: router.map((_, i) => 0.12 * normal(i) + 0.02 * normal((i % WIDTH) + Math.floor(i / WIDTH) * 7919)) });
  const x = new Float32Array(TOKENS * WIDTH).map((_, i) => normal(i + 1e7));
  return { layer, forward: () => layer.forward(x, { train: true, read: [], ...options }) };
}

/** Iterations that the router's solver made, if it has one and tells. */
async function iterations(layer, name) {
  if (!layers[name].solves) return undefined;
  const x = new Float32Array(TOKENS * WIDTH).map((_, i) => normal(i + 1e7));
  const { solver } = await layer.forward(x, { train: true, read: ["solver"], ...layers[name].options });
  return Math.max(...solver.iterations);
}

async function onTheCpu(name) {
  const runtime = await createRuntime({ device: "cpu" });
  const { forward } = await open(runtime, name);
  await forward();
  const ms = [];
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await forward();
    ms.push(performance.now() - start);
  }
  runtime.dispose();
  return ms;
}

/** Normal numbers by counting. */
function normal(i) {
  const u = (word) => (mix(word) + 0.5) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(u(2 * i))) * Math.cos(2 * Math.PI * u(2 * i + 1));
}

function mix(word) {
  let h = (word + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}
