/**
 * jax-js, compiled with `jit`. Its arrays count references: an operation uses its arguments up, unless given `.ref`.
 */
import * as jax from "@jax-js/jax";

const { numpy: np, nn, lax } = jax;

/** `engine`: "webgpu", "wasm"; `form`: of {@link FORMS}. */
export async function open({ engine, form, learningRate, ...sizes }, arrays) {
  const devices = await jax.init(engine);
  if (!devices.includes(engine)) throw new Error(`jax-js has no ${engine} here`);
  jax.defaultDevice(engine);
  const { tokens, dModel: d, dFf, experts } = sizes;
  const tokensOf = (values) => np.array(values, { shape: [tokens, d] });
  let weights = {
    router: np.array(arrays.router, { shape: [d, experts] }),
    w1: np.array(arrays.w1, { shape: [experts, d, dFf] }),
    b1: np.array(arrays.b1, { shape: [experts, 1, dFf] }),
    w2: np.array(arrays.w2, { shape: [experts, dFf, d] }),
    b2: np.array(arrays.b2, { shape: [experts, 1, d] }),
  };
  const layer = (w, x) => FORMS[form](sizes, w, x);
  const forward = jax.jit(layer);
  const lossAndGradients = jax.valueAndGrad((w, x, target) => np.mean(np.square(layer(w, x).sub(target))));
  const descend = (w, x, target) => {
    const [loss, gradients] = lossAndGradients(mapped(w, (a) => a.ref), x, target);
    return [loss, mapped(w, (a, name) => a.sub(gradients[name].mul(learningRate)))];
  };
  // The gradient of `take` cannot be compiled (0.1.25: "routine primitive scatter input is not imm").
  const step = form === "gather" ? descend : jax.jit(descend);
  return {
    async forward(x) {
      return (await forward(mapped(weights, (a) => a.ref), tokensOf(x))).data();
    },
    async step(x, target) {
      const [loss, learned] = step(weights, tokensOf(x), tokensOf(target));
      weights = learned;
      await jax.blockUntilReady(weights);
      if (engine === "webgpu") await jax.getWebGPUDevice().queue.onSubmittedWorkDone();
      return (await loss.data())[0];
    },
  };
}

const FORMS = {
  /** Rows sorted by expert, gathered to `slots` for each; each token gathers its results. Drops nothing. */
  gather({ tokens, dModel: d, experts, k, slots }, w, x) {
    const { chosen, oneHot, gates } = route({ tokens, experts, k }, w, x.ref);
    const assignments = tokens * k;
    const expertOf = chosen.reshape([assignments]);
    const marks = lax.stopGradient(oneHot.reshape([assignments, experts]));
    const demanded = np.sum(marks.ref, 0);
    const first = np.cumsum(demanded.ref, 0).sub(demanded).astype(np.int32);
    const slotOf = np.sum(np.cumsum(marks.ref, 0).sub(1).mul(marks), -1).astype(np.int32);
    const sorted = np.argsort(expertOf.ref);
    const places = first.reshape([experts, 1]).add(np.arange(slots).astype(np.int32).reshape([1, slots]));
    const taken = np.take(sorted, np.minimum(places, assignments - 1).reshape([experts * slots]), 0);
    // Division of integers, by way of f32: half a step keeps it clear of the edges.
    const rows = np.floor(taken.astype(np.float32).add(0.5).div(k)).astype(np.int32);
    const out = expert(np.take(x, rows, 0).reshape([experts, slots, d]), w).reshape([experts * slots, d]);
    const own = np.take(out, expertOf.mul(slots).add(slotOf), 0).reshape([tokens, k, d]);
    return np.sum(own.mul(gates.reshape([tokens, k, 1])), 1);
  },

  /** Dispatch and combine as products with one-hot matrices (Mesh TensorFlow), to `slots` for each expert. */
  oneHot({ tokens, dModel: d, experts, k, slots }, w, x) {
    const { chosen, oneHot, gates } = route({ tokens, experts, k }, w, x.ref);
    chosen.dispose();
    const marks = np.transpose(oneHot, [1, 0, 2]).reshape([k * tokens, experts]);
    const slotOf = np.sum(np.cumsum(marks.ref, 0).sub(1).mul(marks.ref), -1).astype(np.int32);
    const slotMarks = nn.oneHot(slotOf, slots).reshape([k * tokens, 1, slots]);
    const places = np.matmul(marks.reshape([k * tokens, experts, 1]), slotMarks).reshape([k, tokens, experts * slots]);
    const combine = np.sum(places.ref.mul(np.transpose(gates).reshape([k, tokens, 1])), 0);
    const rows = np.matmul(np.transpose(np.sum(places, 0)), x).reshape([experts, slots, d]);
    return np.matmul(combine, expert(rows, w).reshape([experts * slots, d]));
  },

  /** Every expert on every token. */
  dense({ tokens, dModel: d, experts, k }, w, x) {
    const { chosen, oneHot, gates } = route({ tokens, experts, k }, w, x.ref);
    chosen.dispose();
    const weights = np.sum(oneHot.mul(gates.reshape([tokens, k, 1])), 1);
    const out = expert(x.reshape([1, tokens, d]), w);
    return np.sum(out.mul(np.transpose(weights).reshape([experts, tokens, 1])), 0);
  },

  /** For one token: the weights of its experts, gathered. */
  chosen({ tokens, dModel: d, experts, k }, { router, ...w }, x) {
    const { chosen, oneHot, gates } = route({ tokens, experts, k }, { router }, x.ref);
    oneHot.dispose();
    const index = chosen.reshape([k]);
    const own = mapped(w, (a) => np.take(a, index.ref, 0));
    index.dispose();
    return np.sum(expert(x.reshape([1, 1, d]), own).mul(gates.reshape([k, 1, 1])), 0);
  },
};

/** `chosen`: i32[T, k]; `oneHot`: f32[T, k, E]; `gates`: f32[T, k], through which gradients reach the router. */
function route({ tokens, experts, k }, { router }, x) {
  const scores = nn.softmax(np.matmul(x, router), -1);
  const [best, chosen] = lax.topK(lax.stopGradient(scores.ref), k);
  best.dispose();
  const oneHot = nn.oneHot(chosen.ref, experts);
  const gates = np.sum(oneHot.ref.mul(scores.reshape([tokens, 1, experts])), -1);
  if (k === 1) return { chosen, oneHot, gates };
  return { chosen, oneHot, gates: gates.ref.div(np.sum(gates, -1, { keepdims: true })) };
}

/** relu(x · w1 + b1) · w2 + b2, of each expert's rows. */
function expert(x, { w1, b1, w2, b2 }) {
  return np.matmul(nn.relu(np.matmul(x, w1).add(b1)), w2).add(b2);
}

const mapped = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value, name)]));
