/** Every router through JavaScript: it runs, trains, describes itself, and says what is wrong. */
import { assert, assertClose, assertCode, assertEqual, everywhere, numbers, PLACES, withLayer } from "./support.js";

const TOKENS = 16;
const BASE = { dModel: 8, dFf: 12, experts: 4, activation: "silu", seed: 3 };
const X = numbers(1, TOKENS * BASE.dModel);
const D_OUTPUT = numbers(2, X.length);
/** A gradient for the output of every task. */
const dOutputOf = ({ kind, tasks }) => numbers(2, (kind === "multiGate" ? tasks : 1) * X.length);
const tokenIds = new Uint32Array(TOKENS).map((_, t) => (t * t) % 10);
const domain = new Uint32Array(TOKENS).map((_, t) => Math.floor((t * 4) / TOKENS));
const mixture = numbers(3, TOKENS * 4).map((weight) => Math.max(weight, 0));
const TABLE = new Uint32Array(10).map((_, id) => (id * 3) % 4);

/** Layers by what they are; `options`: those of forward, `backward`: those of backward. */
const LAYERS = {
  "topK by draws": { router: { kind: "topK", k: 2, exploration: "sample", jitter: 0.1, dropout: 0.2 } },
  "topK, second choices by chance": { router: { kind: "topK", k: 2, renormalize: "preDrop", secondPolicy: "random" } },
  "topK, second choices by given chances": {
    router: { kind: "topK", k: 2, renormalize: "preDrop", secondPolicy: "random" },
    lossWeights: { loadBalanceFirst: 0.01, secondPlace: 0.005 },
    options: { draws: numbers(3, TOKENS * 2).map(Math.abs) },
  },
  "topK, second choices drawn": { router: { kind: "topK", k: 3, secondPolicy: "sampling", evalSecondPolicy: "all" } },
  "topK in prototypes": { router: { kind: "topK", k: 1, prototypes: 2 } },
  "topK until a share is covered": { router: { kind: "topK", k: 3, topP: 0.6 } },
  "topK above a score": { router: { kind: "topK", k: 3, minScore: 0.3 } },
  "noisyTopK": { router: { kind: "noisyTopK", k: 2 }, lossWeights: { importance: 0.1, load: 0.1 }, options: { step: 4 } },
  "noisyTopK in branches, with given draws": {
    router: { kind: "noisyTopK", k: 1, branches: 2, branchK: 2 },
    lossWeights: { importance: 0.1, load: 0.1 },
    options: { draws: numbers(3, TOKENS * 6) },
  },
  "noisyTopK of fixed width, with given draws": {
    router: { kind: "noisyTopK", k: 2, noise: "fixed", noiseStd: 2 },
    lossWeights: { load: 0.1 },
    options: { draws: numbers(3, TOKENS * 4) },
  },
  "expertChoice by factor": { router: { kind: "expertChoice", capacityFactor: 1.5 } },
  "expertChoice by slots": { router: { kind: "expertChoice", slots: 3 } },
  "expertChoice over tokens": { router: { kind: "expertChoice", capacityFactor: 1, softmaxOver: "tokens" } },
  "expertChoice of two a token": { router: { kind: "expertChoice", maxExpertsPerToken: 2 } },
  "expertChoice bounded as in the paper": {
    router: { kind: "expertChoice", maxExpertsPerToken: 2, capMode: "dykstra", entropyWeight: 0.1, iterations: 10 },
  },
  "expertChoice by thresholds": { router: { kind: "expertChoice", maxExpertsPerToken: 2, causal: "threshold", thresholdDecay: 0.5 } },
  "base": { router: { kind: "base", shuffle: false } },
  "base, stopped": { router: { kind: "base", shuffle: false, iterations: 1, trades: 1 } },
  "base, by auction alone": { router: { kind: "base", shuffle: false, trades: 0 } },
  "base, shuffled": { router: { kind: "base" }, groups: 4, mesh: { devices: 2 } },
  "sinkhorn by unequal shares": {
    router: { kind: "sinkhorn", k: 1, iterations: 8, tolerance: 0, shares: new Float32Array([1, 2, 3, 2]) },
  },
  "sinkhorn": { router: { kind: "sinkhorn", k: 2, epsilon: 0.5, iterations: 8, tolerance: 0, gate: "softmax" } },
  "hash": { router: { kind: "hash", table: TABLE }, options: { tokenIds } },
  "hash of two tables": {
    router: { kind: "hash", table: [TABLE.map((e) => e % 2), TABLE.map((e) => (e >> 1) % 2)], of: "bigram" },
    options: { tokenIds, sequence: 8 },
  },
  "thor": { router: { kind: "thor" }, options: { step: 1, pass: 1 } },
  "thor by sentence": { router: { kind: "thor", per: "sentence", inference: "ensemble", k: 2 }, options: { sequence: 4 } },
  "multiGate": { router: { kind: "multiGate", tasks: 2 } },
  "multiGate with a few experts a task": { router: { kind: "multiGate", tasks: 3, k: 1 } },
  "soft": { router: { kind: "soft", slots: 3 } },
  "soft on a mesh": { router: { kind: "soft", slots: 2 }, sharedExpert: { dFf: 4, gate: true }, mesh: { devices: 2 } },
  "reinforce": { router: { kind: "reinforce", temperature: 0.5 }, backward: { reward: numbers(3, TOKENS) } },
  "reinforce with a linear baseline": {
    router: { kind: "reinforce", baseline: "linear", entropy: 0.1, stopGradient: false },
    backward: { reward: numbers(3, TOKENS) },
  },
  "bandit": { router: { kind: "bandit", vocabulary: 10, epsilon: 0.5 }, options: { tokenIds }, backward: { reward: numbers(3, TOKENS) } },
  "bandit by bounds": {
    router: { kind: "bandit", policy: "ucb", vocabulary: 10, exploration: 0.5, priorMean: -1 },
    options: { tokenIds },
    backward: { reward: numbers(3, TOKENS) },
  },
  "bandit by draws": {
    router: { kind: "bandit", policy: "thompson", vocabulary: 10, priorStd: 2, noiseStd: 0.5 },
    options: { tokenIds },
    backward: { reward: numbers(3, TOKENS) },
  },
  "thor with copies of the experts": { router: { kind: "thor", per: "batch" }, mesh: { devices: 2 }, replicated: true },
  "domain": { router: { kind: "domain" }, mesh: { devices: 2 }, options: { domain } },
  "domain mixed": { router: { kind: "domain", mixture: new Float32Array(4).fill(0.25) }, options: { mixture } },
  "language by source": { router: { kind: "language", by: "source", table: TABLE }, options: { sourceLanguage: tokenIds } },
  "task": { router: { kind: "task", tasks: 4, k: 2, renormalize: "preDrop" }, options: { task: domain } },
  "language by target": { router: { kind: "language", by: "target" }, options: { targetLanguage: domain } },
  "tokenThenExpert": { router: { kind: "tokenThenExpert", nominate: 2 } },
  "tokenThenExpert, deferred": { router: { kind: "tokenThenExpert", nominate: 3, k: 1, key: "margin", deferred: true, rounds: 20 } },
  "tokenThenExpert by thresholds": {
    router: { kind: "tokenThenExpert", nominate: 3, k: 2, slots: 4, causal: "threshold" },
    capacity: { slots: 6, order: "token" },
  },
  "tokenThenExpert, no token left behind": {
    router: { kind: "tokenThenExpert", nominate: 3, k: 1, key: "arrival", immediate: true, slots: 4 },
  },
  "tokenThenExpert by a handshake": {
    router: { kind: "tokenThenExpert", nominate: 2, k: 1, key: "regret", rounds: 2, exchange: "handshake" },
    mesh: { devices: 2 },
  },
  "denseToSparse": { router: { kind: "denseToSparse", steps: 10, threshold: 0.1 }, lossWeights: { loadBalance: 0.1 }, options: { step: 3 } },
  "denseToSparse, weighed without noise": { router: { kind: "denseToSparse", steps: 10, schedule: "linear", gate: "softmax" } },
};

/** Descriptions that cannot be, with the field that the error names. */
const CONFIGS = {
  "a temperature of nothing": [{ router: { kind: "denseToSparse", steps: 5, endTemperature: 0 } }, "router.endTemperature"],
  "a threshold that nobody may reach": [{ router: { kind: "denseToSparse", steps: 5, threshold: 0.25 } }, "router.threshold"],
  "draws beside a bias on the selection": [
    { router: { kind: "topK", k: 1, exploration: "sample", selectionBias: new Float32Array(4) } },
    "router.exploration",
  ],
  "branches that do not split the experts": [{ router: { kind: "noisyTopK", k: 1, branches: 3 } }, "router.branches"],
  "more experts than a branch has": [{ router: { kind: "noisyTopK", k: 3, branches: 2 } }, "router.k"],
  "branches under noise of fixed width": [{ router: { kind: "noisyTopK", k: 1, branches: 2, noise: "fixed" } }, "router.noise"],
  "noise of no width": [{ router: { kind: "noisyTopK", k: 1, noise: "fixed", noiseStd: 0 } }, "router.noiseStd"],
  "a capacity beside experts that choose": [{ router: { kind: "expertChoice" }, capacity: { slots: 2 } }, "capacity"],
  "a bound without entropy": [
    { router: { kind: "expertChoice", maxExpertsPerToken: 2, capMode: "dykstra", entropyWeight: 0 } },
    "router.entropyWeight",
  ],
  "a way to a bound that is not there": [{ router: { kind: "expertChoice", capMode: "dykstra" } }, "router.capMode"],
  "thresholds for shares of all tokens": [
    { router: { kind: "expertChoice", softmaxOver: "tokens", causal: "threshold" } },
    "router.softmaxOver",
  ],
  "thresholds of those who come first": [
    { router: { kind: "tokenThenExpert", nominate: 2, key: "arrival", causal: "threshold" } },
    "router.key",
  ],
  "thresholds beside places by weight": [
    { router: { kind: "expertChoice", causal: "threshold" }, capacity: { slots: 2, priority: "weight" } },
    "capacity.priority",
  ],
  "a policy for second choices where there are none": [{ router: { kind: "topK", k: 1, secondPolicy: "none" } }, "router.secondPolicy"],
  "two ways to take as many as needed": [{ router: { kind: "topK", k: 2, topP: 0.5, minScore: 0.1 } }, "router.minScore"],
  "prototypes that do not split the experts": [{ router: { kind: "topK", k: 1, prototypes: 3 } }, "router.prototypes"],
  "more places than tokens fill": [{ router: { kind: "expertChoice", maxExpertsPerToken: 1 } }, "router.capacityFactor"],
  "a capacity beside an auction": [{ router: { kind: "base" }, capacity: { slots: 2 } }, "capacity"],
  "a shuffle that is a word": [{ router: { kind: "base", shuffle: "yes" } }, "router.shuffle"],
  "no rounds": [{ router: { kind: "base", iterations: 0 } }, "router.iterations"],
  "too many rounds of trades": [{ router: { kind: "base", trades: 1001 } }, "router.trades"],
  "a share of nothing": [{ router: { kind: "sinkhorn", k: 1, shares: new Float32Array([1, 0, 1, 1]) } }, "router.shares[1]"],
  "no entropy": [{ router: { kind: "sinkhorn", k: 1, epsilon: 0 } }, "router.epsilon"],
  "more experts named than there are": [{ router: { kind: "tokenThenExpert", nominate: 5 } }, "router.nominate"],
  "acceptance that is both deferred and immediate": [
    { router: { kind: "tokenThenExpert", nominate: 2, deferred: true, immediate: true } },
    "router.immediate",
  ],
  "no table": [{ router: { kind: "hash" } }, "router.table"],
  "a table with an expert that is not there": [{ router: { kind: "hash", table: new Uint32Array([0, 4]) } }, "router.table[1]"],
  "tables of two lengths": [
    { router: { kind: "hash", table: [new Uint32Array(3), new Uint32Array(4)] } },
    "router.table[1]",
  ],
  "a training that draws nothing": [{ router: { kind: "thor", per: "ensemble" } }, "router.per"],
  "no task": [{ router: { kind: "multiGate", tasks: 0 } }, "router.tasks"],
  "no slot": [{ router: { kind: "soft", slots: 0 } }, "router.slots"],
  "a capacity beside slots of mixtures": [{ router: { kind: "soft", slots: 2 }, capacity: { slots: 2 } }, "capacity"],
  "logits divided by nothing": [{ router: { kind: "reinforce", temperature: 0 } }, "router.temperature"],
  "a running mean that forgets nothing": [{ router: { kind: "reinforce", decay: 1 } }, "router.decay"],
  "more arms than there is room for": [{ router: { kind: "bandit", vocabulary: 2 ** 22 + 1 } }, "router.vocabulary"],
  "more than all that explore": [{ router: { kind: "bandit", vocabulary: 10, epsilon: 2 } }, "router.epsilon"],
  "an exploration below 0": [
    { router: { kind: "bandit", policy: "ucb", vocabulary: 10, exploration: -1 } },
    "router.exploration",
  ],
  "rewards that never vary": [
    { router: { kind: "bandit", policy: "thompson", vocabulary: 10, noiseStd: 0 } },
    "router.noiseStd",
  ],
  "no expert of a draw": [{ router: { kind: "thor", k: 0 } }, "router.k"],
  "a mixture below 0": [{ router: { kind: "domain", mixture: new Float32Array([0, -1, 0, 0]) } }, "router.mixture[1]"],
  "a gate that reads tokens beside tasks": [
    { router: { kind: "task", tasks: 2, k: 1 }, sharedExpert: { dFf: 4, gate: true } },
    "sharedExpert.gate",
  ],
  "neither source nor target": [{ router: { kind: "language" } }, "router.by"],
  "a language of an expert that is not there": [
    { router: { kind: "language", by: "source", table: new Uint32Array([4]) } },
    "router.table[0]",
  ],
};

/** Calls that cannot be, with the code and the word of the error. */
const CALLS = {
  "draws for some of the tokens": ["noisyTopK", { train: true, draws: numbers(3, 4) }, "WRONG_LENGTH", "draws"],
  "draws for the experts alone": [
    "noisyTopK in branches, with given draws",
    { train: true, draws: numbers(3, TOKENS * 4) },
    "WRONG_LENGTH",
    "draws",
  ],
  "draws of whole numbers": ["noisyTopK", { train: true, draws: new Int32Array(4 * TOKENS) }, "INVALID_ARGUMENT", "draws"],
  "chances of more than one": [
    "topK, second choices by chance",
    { train: true, draws: new Float32Array(2 * TOKENS).fill(1.5) },
    "INVALID_ARGUMENT",
    "draws",
  ],
  "draws that nothing is done with": ["hash", { tokenIds, draws: numbers(3, 4 * TOKENS) }, "INVALID_ARGUMENT", "draws"],
  "no ids": ["hash", {}, "MISSING_LABELS", "tokenIds"],
  "too few ids": ["hash", { tokenIds: tokenIds.subarray(1) }, "WRONG_LENGTH", "tokenIds"],
  "an id beyond the table": ["hash", { tokenIds: tokenIds.map((id) => id + 1) }, "INVALID_ARGUMENT", "tokenIds[3]"],
  "no ids of a bandit": ["bandit", {}, "MISSING_LABELS", "tokenIds"],
  "an id beyond the vocabulary": ["bandit", { tokenIds: tokenIds.map((id) => id + 1) }, "INVALID_ARGUMENT", "tokenIds[3]"],
  "a pass too many": ["thor", { pass: 2048 }, "INVALID_ARGUMENT", "pass"],
  "a sequence of half a token": ["hash", { tokenIds, sequence: 0.5 }, "INVALID_ARGUMENT", "sequence"],
  "no domain": ["domain", {}, "MISSING_LABELS", "domain"],
  "a domain on another device": ["domain", { domain: domain.toReversed() }, "EXPERT_ELSEWHERE", "token 0"],
  "a mixture without room": ["domain", { domain, mixture }, "INVALID_ARGUMENT", "mixture"],
  "half a mixture": ["domain mixed", { mixture: mixture.subarray(1) }, "WRONG_LENGTH", "mixture"],
  "a mixture that is not typed": ["domain mixed", { mixture: [...mixture] }, "INVALID_ARGUMENT", "mixture"],
  "no task": ["task", {}, "MISSING_LABELS", "task"],
  "a task that is not there": ["task", { task: tokenIds }, "INVALID_ARGUMENT", "task[2]"],
  "no language": ["language by source", {}, "MISSING_LABELS", "sourceLanguage"],
  "a language that is not known": ["language by target", { targetLanguage: tokenIds }, "INVALID_ARGUMENT", "targetLanguage"],
};

/** The same of backward. */
const BACKWARD_CALLS = {
  "a reward too few": ["reinforce", { reward: numbers(3, TOKENS - 1) }, "WRONG_LENGTH"],
  "rewards that are no numbers": ["reinforce", { reward: new Float32Array(TOKENS).fill(NaN) }, "NON_FINITE"],
  "rewards in a plain array": ["reinforce", { reward: [...numbers(3, TOKENS)] }, "INVALID_ARGUMENT"],
  "a reward too few for a bandit": ["bandit", { reward: numbers(3, TOKENS - 1) }, "WRONG_LENGTH"],
  "rewards that nothing learns from": ["sinkhorn", { reward: numbers(3, TOKENS) }, "INVALID_ARGUMENT"],
};

const configOf = ({ options, backward, ...config }) => ({ ...BASE, ...config });

/** Forward in training, backward, a step, and forward again. */
async function run(layer, { router, options, backward }) {
  const forward = () => layer.forward(X, { train: true, ...options });
  const first = await forward();
  const gradients = await layer.backward(dOutputOf(router), backward);
  await layer.applyGradients({ kind: "sgd", learningRate: 0.5 });
  return { first, gradients, second: await forward() };
}

/** What the CPU engine makes of a layer, computed once. */
const wanted = new Map();
function onTheCpu(name) {
  const place = PLACES.find(({ options }) => options.device === "cpu" && !options.worker);
  if (!wanted.has(name)) wanted.set(name, withLayer(place, configOf(LAYERS[name]), (layer) => run(layer, LAYERS[name])));
  return wanted.get(name);
}

function claims() {
  const all = {};
  for (const [name, layerOf] of Object.entries(LAYERS)) {
    Object.assign(
      all,
      everywhere(`${name} routes, trains and agrees with the CPU engine`, (place) =>
        withLayer(place, configOf(layerOf), async (layer) => {
          const [got, want] = [await run(layer, layerOf), await onTheCpu(name)];
          assertEqual("experts", [...got.first.routing.experts], [...want.first.routing.experts]);
          assertClose("output", got.first.output, want.first.output);
          assertClose("gradient", got.gradients.x, want.gradients.x);
          assertClose("output after the step", got.second.output, want.second.output);
          assert(got.second.output.some((y, i) => y !== got.first.output[i]), "the step changed nothing");
        }),
      ),
      everywhere(`${name} is described as it can be made again`, (place) =>
        withLayer(place, configOf(layerOf), (layer) =>
          withLayer(place, layer.config, async (again) => {
            assertEqual("config", again.config, layer.config);
            const table = layer.config.router.table;
            assert(table === undefined || [table].flat()[0] instanceof Uint32Array, "tables are typed arrays");
            const { mixture } = layer.config.router;
            assert(mixture === undefined || mixture instanceof Float32Array, "a mixture is a typed array");
          }),
        ),
      ),
    );
  }
  Object.assign(
    all,
    everywhere("the network of a task gives what the layer gives for it", (place) =>
      withLayer(place, configOf(LAYERS.task), async (layer) => {
        const { config, weights } = await layer.taskNetwork(1);
        assertEqual("experts", config.experts, 2);
        const want = await layer.forward(X, { task: new Uint32Array(TOKENS).fill(1) });
        await withLayer(place, config, async (alone) => {
          await alone.setWeights(weights);
          assertEqual("output", [...(await alone.forward(X)).output], [...want.output]);
        });
        await assertCode("no such task", "INVALID_ARGUMENT", () => layer.taskNetwork(4));
        await assertCode("half a task", "INVALID_ARGUMENT", () => layer.taskNetwork(0.5));
      }),
    ),
  );
  Object.assign(
    all,
    everywhere("a solver counts the tokens with more experts than they should have", (place) =>
      withLayer(place, configOf(LAYERS["expertChoice bounded as in the paper"]), async (layer) => {
        const { solver, routing } = await layer.forward(X, { read: ["solver", "routing"] });
        const experts = Array.from({ length: TOKENS }, (_, t) => routing.experts.slice(4 * t, 4 * t + 4).filter((e) => e >= 0).length);
        assertEqual("over", [...solver.over], [experts.filter((n) => n > 2).length]);
        assertEqual("iterations", [...solver.iterations], [10]);
      }),
    ),
    everywhere("thresholds are read and set as weights, and training alone moves them", (place) =>
      withLayer(place, configOf(LAYERS["expertChoice by thresholds"]), async (layer) => {
        const thresholds = async () => [...(await layer.weights()).thresholds];
        const none = await thresholds();
        assert(none.every((threshold) => threshold === Math.fround(-3.4028235e38)), `${none} are none`);
        await layer.forward(X);
        assertEqual("after a pass outside training", await thresholds(), none);
        await layer.forward(X, { train: true });
        const set = await thresholds();
        assert(set.every((threshold) => threshold > 0 && threshold < 1), `${set} are shares`);
        await layer.setWeights({ thresholds: new Float32Array(4).fill(2) });
        assertEqual("tokens taken", [...(await layer.forward(X)).routing.load], [0, 0, 0, 0]);
      }),
    ),
  );
  Object.assign(
    all,
    everywhere("what a bandit knows is counted in steps, read, and set in another layer", (place) =>
      withLayer(place, configOf(LAYERS["bandit by bounds"]), async (layer) => {
        const { gradients } = await run(layer, LAYERS["bandit by bounds"]);
        assert(gradients.banditPulls === undefined, "what is counted has no gradient");
        const weights = await layer.weights();
        assertEqual("pulls", weights.banditPulls.reduce((sum, pulls) => sum + pulls, 0), TOKENS);
        await withLayer(place, layer.config, async (again) => {
          await again.setWeights(weights);
          assertEqual("means", [...(await again.weights()).banditMeans], [...weights.banditMeans]);
          const pulls = weights.banditPulls.map(() => 0.5);
          await assertCode("half a pull", "INVALID_ARGUMENT", () => again.setWeights({ banditPulls: pulls }));
        });
      }),
    ),
  );
  for (const [what, [config, field]] of Object.entries(CONFIGS)) {
    Object.assign(
      all,
      everywhere(`createLayer refuses ${what}`, async (place) => {
        const error = await assertCode(what, "INVALID_CONFIG", () => withLayer(place, { ...BASE, ...config }, () => {}));
        assertEqual("field", error.details.field, field);
      }),
    );
  }
  for (const [what, [name, options, code]] of Object.entries(BACKWARD_CALLS)) {
    Object.assign(
      all,
      everywhere(`backward of ${name} refuses ${what} and the layer works on`, (place) =>
        withLayer(place, configOf(LAYERS[name]), async (layer) => {
          await layer.forward(X, { train: true, ...LAYERS[name].options });
          await assertCode(what, code, () => layer.backward(D_OUTPUT, options));
          await layer.backward(dOutputOf(LAYERS[name].router), LAYERS[name].backward);
        }),
      ),
    );
  }
  for (const [what, [name, options, code, word]] of Object.entries(CALLS)) {
    Object.assign(
      all,
      everywhere(`forward of ${name} refuses ${what} and the layer works on`, (place) =>
        withLayer(place, configOf(LAYERS[name]), async (layer) => {
          const error = await assertCode(what, code, () => layer.forward(X, options));
          assert(error.message.includes(word), `${error.message} names ${word}`);
          assertEqual("tokens", (await layer.forward(X, LAYERS[name].options)).routing.tokens, TOKENS);
        }),
      ),
    );
  }
  return all;
}

export default claims();
