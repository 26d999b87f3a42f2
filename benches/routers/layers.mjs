/** The layers whose routing is timed: 4096 tokens, 64 experts, one group, one device. */

export const TOKENS = 4096;
export const EXPERTS = 64;
export const WIDTH = 64;
/** Hidden width of an expert: as small as it gets, since experts are not what is timed. */
export const HIDDEN = 4;

const VOCABULARY = 5000;
const tokenIds = new Uint32Array(TOKENS).map((_, t) => (t * t + 3 * t) % VOCABULARY);
const table = new Uint32Array(VOCABULARY).map((_, id) => (id * 7919) % EXPERTS);

/** By name: a layer's description, with the options of its forward; `solves`: whether it iterates. The first is the yardstick. */
export const layers = {
  "topK, k = 2": { router: { kind: "topK", k: 2 } },
  "topK, k = 2, drawn": { router: { kind: "topK", k: 2, exploration: "sample" } },
  "topK, k = 1, batch priority": { router: { kind: "topK", k: 1 }, capacity: { factor: 1.25, priority: "batch" } },
  "noisyTopK, k = 2": { router: { kind: "noisyTopK", k: 2 } },
  "noisyTopK, 8 branches, 2 of 2": { router: { kind: "noisyTopK", k: 2, branches: 8, branchK: 2 } },
  "expertChoice, factor 2": { router: { kind: "expertChoice", capacityFactor: 2 } },
  "expertChoice, two a token": { router: { kind: "expertChoice", maxExpertsPerToken: 2 }, solves: true },
  "expertChoice, two a token as in the paper": { router: { kind: "expertChoice", maxExpertsPerToken: 2, capMode: "dykstra" }, solves: true },
  "expertChoice by thresholds, at most two": { router: { kind: "expertChoice", maxExpertsPerToken: 2, causal: "threshold" } },
  base: { router: { kind: "base", shuffle: false }, solves: true },
  "sinkhorn, k = 1": { router: { kind: "sinkhorn", k: 1 }, solves: true },
  hash: { router: { kind: "hash", table }, options: { tokenIds } },
  thor: { router: { kind: "thor" } },
  domain: { router: { kind: "domain" }, options: { domain: new Uint32Array(TOKENS).map((_, t) => t % EXPERTS) } },
  language: {
    router: { kind: "language", by: "source" },
    options: { sourceLanguage: new Uint32Array(TOKENS).map((_, t) => t % EXPERTS) },
  },
  "task, k = 2": { router: { kind: "task", tasks: 32, k: 2 }, options: { task: new Uint32Array(TOKENS).map((_, t) => t % 32) } },
  "tokenThenExpert, two named": { router: { kind: "tokenThenExpert", nominate: 2, k: 1 } },
  "tokenThenExpert, deferred": { router: { kind: "tokenThenExpert", nominate: EXPERTS, k: 1, deferred: true }, solves: true },
  "no token left behind, 3 ranks": { router: { kind: "tokenThenExpert", nominate: 3, k: 1, key: "arrival", immediate: true } },
  "multiGate, 2 tasks, k = 1": { router: { kind: "multiGate", tasks: 2, k: 1 } },
  "soft, 64 slots": { router: { kind: "soft", slots: 1 } },
  "denseToSparse, hard": { router: { kind: "denseToSparse", steps: 1, hardAfter: 0 } },
  reinforce: { router: { kind: "reinforce" } },
  bandit: { router: { kind: "bandit", policy: "thompson", vocabulary: VOCABULARY }, options: { tokenIds } },
};
