/** The workloads: their sizes, and the arrays that a seed makes of them. */
import { readFileSync } from "node:fs";

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {number} tokens T
 * @property {number} dModel d
 * @property {number} dFf F
 * @property {number} experts E
 * @property {number} k choices per token; their weights sum to 1 unless there is only one
 * @property {number} devices N virtual devices, for webmoe alone
 * @property {{ learningRate: number, steps: number }} [train] a training step; the first `steps` are checked
 */

const SIZES = JSON.parse(readFileSync(new URL("../workloads.json", import.meta.url), "utf8"));
const SEED = 20221114;
/** Scores nearer than this could rank otherwise in f32, and a peer would be right to choose another expert. */
const CLEAR = 2e-3;

/** All workloads by name. @type {Record<string, Workload>} */
export const workloads = Object.fromEntries(Object.entries(SIZES).map(([name, sizes]) => [name, { name, ...sizes }]));

/**
 * The arrays of a workload, f32, row-major, expert weights as [in, out]:
 * x[T, d], router[d, E], w1[E, d, F], b1[E, F], w2[E, F, d], b2[E, d], target[T, d].
 */
export function draw({ tokens, dModel, dFf, experts, k }) {
  let stream = 0;
  const numbers = (length, deviation) => uniform(SEED + stream++, length, deviation);
  const router = numbers(dModel * experts, dModel ** -0.5);
  return {
    router,
    w1: numbers(experts * dModel * dFf, dModel ** -0.5),
    b1: numbers(experts * dFf, 0.1),
    w2: numbers(experts * dFf * dModel, dFf ** -0.5),
    b2: numbers(experts * dModel, 0.1),
    target: numbers(tokens * dModel, 1),
    x: clear(numbers((2 * tokens + 64) * dModel, 1), router, { tokens, dModel, experts, k }),
  };
}

/** Numbers of a uniform distribution around 0, by counting: the finaliser of `src/rng.rs` over seed and index. */
function uniform(seed, length, deviation) {
  const scale = (deviation * Math.sqrt(12)) / 2 ** 32;
  const start = mix(seed);
  return new Float32Array(length).map((_, i) => (mix(start + i) - 2 ** 31) * scale);
}

function mix(word) {
  let h = (word + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The first tokens of `drawn` whose best k + 1 logits are all clearly apart. */
function clear(drawn, router, { tokens, dModel, experts, k }) {
  const x = new Float32Array(tokens * dModel);
  let kept = 0;
  for (let t = 0; kept < tokens; t++) {
    const row = drawn.subarray(t * dModel, (t + 1) * dModel);
    if (row.length === 0) throw new Error("too few tokens are clear of ties; draw more");
    const logits = new Float64Array(experts);
    for (let i = 0; i < dModel; i++) for (let e = 0; e < experts; e++) logits[e] += row[i] * router[i * experts + e];
    const best = logits.sort().reverse().subarray(0, k + 1);
    if (best.subarray(1).every((score, i) => best[i] - score > CLEAR)) x.set(row, dModel * kept++);
  }
  return x;
}
