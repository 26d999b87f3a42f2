/** Bad input: each gets its code, and the layer works on. */
import { assertCode, assertEqual, everywhere, numbers, runtimeAt, withLayer } from "./support.js";

const GOOD = { dModel: 8, dFf: 12, experts: 4, router: { kind: "topK", k: 2 } };
const X = numbers(1, 6 * 8);

/** Descriptions that cannot be. */
const CONFIGS = {
  "no description": [undefined, "INVALID_CONFIG"],
  "a misspelt field": [{ ...GOOD, dmodel: 8 }, "UNKNOWN_CONFIG_FIELD"],
  "an unknown router": [{ ...GOOD, router: { kind: "roulette" } }, "UNKNOWN_ROUTER"],
  "an unknown activation": [{ ...GOOD, activation: "swish" }, "INVALID_CONFIG"],
  "an unknown loss": [{ ...GOOD, lossWeights: { laziness: 1 } }, "UNKNOWN_LOSS"],
  "no experts": [{ ...GOOD, experts: 0 }, "INVALID_CONFIG"],
  "a negative width": [{ ...GOOD, dModel: -8 }, "INVALID_CONFIG"],
  "half a hidden unit": [{ ...GOOD, dFf: 12.5 }, "INVALID_CONFIG"],
  "no choices": [{ ...GOOD, router: { kind: "topK", k: 0 } }, "INVALID_CONFIG"],
  "more choices than experts": [{ ...GOOD, router: { kind: "topK", k: 5 } }, "TOO_MANY_CHOICES"],
  "experts that do not split among devices": [{ ...GOOD, mesh: { devices: 3 } }, "EXPERTS_NOT_DIVISIBLE"],
  "groups that do not split among devices": [{ ...GOOD, mesh: { devices: 2 }, groups: 3 }, "GROUPS_NOT_DIVISIBLE"],
  "sizes over the device's limits": [{ ...GOOD, dModel: 32768, dFf: 32768 }, "TOO_LARGE"],
};

/** Calls that cannot be, on a layer of two virtual devices that has run nothing yet. */
const CALLS = {
  "half a token": [(layer) => layer.forward(X.subarray(0, 12)), "WRONG_LENGTH"],
  "tokens that do not split among devices": [(layer) => layer.forward(X.subarray(0, 8)), "TOKENS_NOT_DIVISIBLE"],
  "a plain array": [(layer) => layer.forward([...X]), "INVALID_ARGUMENT"],
  "another typed array": [(layer) => layer.forward(new Float64Array(X)), "INVALID_ARGUMENT"],
  "options that are none": [(layer) => layer.forward(X, null), "INVALID_ARGUMENT"],
  "an option of another type": [(layer) => layer.forward(X, { train: "yes" }), "INVALID_ARGUMENT"],
  "token ids of another type": [(layer) => layer.forward(X, { tokenIds: [1] }), "INVALID_ARGUMENT"],
  "a signal that is none": [(layer) => layer.forward(X, { signal: {} }), "INVALID_ARGUMENT"],
  "an unknown read": [(layer) => layer.forward(X, { read: ["mind"] }), "UNKNOWN_READ"],
  "a read that is no list": [(layer) => layer.forward(X, { read: "output" }), "INVALID_ARGUMENT"],
  "backward before forward": [(layer) => layer.backward(X), "OUT_OF_ORDER"],
  "a switch that is a number": [(layer) => layer.forward(X).then(() => layer.backward(X, { accumulate: 1 })), "INVALID_ARGUMENT"],
  "a step before backward": [(layer) => layer.applyGradients({ kind: "sgd", learningRate: 1 }), "OUT_OF_ORDER"],
  "a step of an unknown kind": [(layer) => layer.applyGradients({ kind: "leap", learningRate: 1 }), "INVALID_ARGUMENT"],
  "a learning rate that is no number": [
    (layer) => layer.applyGradients({ kind: "sgd", learningRate: NaN }),
    "INVALID_ARGUMENT",
  ],
  "weights of a wrong length": [(layer) => layer.setWeights({ w1: new Float32Array(7) }), "WRONG_LENGTH"],
  "NaN in weights": [(layer) => layer.setWeights({ router: new Float32Array(32).fill(NaN) }), "NON_FINITE"],
  "infinity in weights": [(layer) => layer.setWeights({ router: new Float32Array(32).fill(Infinity) }), "NON_FINITE"],
  "weights that the layer lacks": [(layer) => layer.setWeights({ w3: new Float32Array(384) }), "UNKNOWN_WEIGHTS"],
  "weights in a plain array": [(layer) => layer.setWeights({ router: [1] }), "INVALID_ARGUMENT"],
  "one good array beside a bad one": [
    (layer) => layer.setWeights({ w1: numbers(3, 384), w2: new Float32Array(1) }),
    "WRONG_LENGTH",
  ],
};

function claims() {
  const all = {};
  for (const [what, [config, code]] of Object.entries(CONFIGS)) {
    Object.assign(
      all,
      everywhere(`createLayer refuses ${what} with ${code}`, async (place) => {
        const runtime = await runtimeAt(place);
        const { buffers } = await runtime.counters();
        await assertCode(what, code, () => runtime.createLayer(config));
        assertEqual("buffers", (await runtime.counters()).buffers, buffers);
      }),
    );
  }
  for (const [what, [call, code]] of Object.entries(CALLS)) {
    Object.assign(
      all,
      everywhere(`a layer refuses ${what} with ${code} and is as before`, (place) =>
        withLayer(place, { ...GOOD, mesh: { devices: 2 } }, async (layer) => {
          const before = await layer.weights();
          await assertCode(what, code, () => call(layer));
          assertEqual("weights", await layer.weights(), before);
          assertEqual("tokens", (await layer.forward(X)).routing.tokens, 6);
        }),
      ),
    );
  }
  return all;
}

export default {
  ...claims(),

  ...everywhere("a bad backward leaves the last forward and its gradients in place", (place) =>
    withLayer(place, GOOD, async (layer) => {
      await layer.forward(X);
      const { x } = await layer.backward(X);
      await assertCode("a short gradient", "WRONG_LENGTH", () => layer.backward(X.subarray(0, 8)));
      await layer.applyGradients({ kind: "sgd", learningRate: 0 });
      assertEqual("gradient", [...(await layer.backward(X)).x], [...x]);
    }),
  ),

  ...everywhere("a layer refuses every call after dispose with DISPOSED", async (place) => {
    const layer = await (await runtimeAt(place)).createLayer(GOOD);
    layer.dispose();
    layer.dispose();
    const calls = [
      () => layer.forward(X),
      () => layer.backward(X),
      () => layer.weights(),
      () => layer.setWeights({}),
      () => layer.applyGradients({ kind: "sgd", learningRate: 1 }),
    ];
    for (const call of calls) await assertCode(String(call), "DISPOSED", call);
    assertEqual("config", layer.config.dModel, 8);
  }),
};
