/**
 * TensorFlow.js: the routing is read back, each expert's rows are gathered, and each token gathers its results.
 * (One-hot products and all experts on all tokens are far slower on both engines.)
 */

const FOLDER = "/node_modules/@tensorflow";

/** `engine`: "webgpu", "wasm"; `threads`: of wasm. */
export async function open({ engine, threads, learningRate, ...sizes }, arrays) {
  const tf = await start(engine, threads);
  const { tokens, dModel: d, dFf, experts, k } = sizes;
  const variable = (values, shape) => tf.variable(tf.tensor(values, shape));
  // A tensor for each expert: slicing one of all would copy it on every call.
  const each = (values, ...shape) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return Array.from({ length: experts }, (_, e) => variable(values.slice(e * size, (e + 1) * size), shape));
  };
  const router = variable(arrays.router, [d, experts]);
  const weights = {
    w1: each(arrays.w1, d, dFf),
    b1: each(arrays.b1, dFf),
    w2: each(arrays.w2, dFf, d),
    b2: each(arrays.b2, d),
  };
  const variables = [router, ...Object.values(weights).flat()];
  const matrix = (values) => tf.tensor(values, [tokens, d]);
  const scoresOf = (x) => tf.softmax(tf.matMul(x, router));
  const normalized = (gates) => (k > 1 ? gates.div(gates.sum(1, true)) : gates);
  return {
    async forward(values) {
      const x = matrix(values);
      const { chosen, gates } = tf.tidy(() => {
        const { values: best, indices } = tf.topk(scoresOf(x), k);
        return { chosen: indices, gates: normalized(best) };
      });
      const plan = sort(await chosen.data(), sizes);
      const output = tf.tidy(() => mix(tf, sizes, weights, plan, x, gates));
      const got = await output.data();
      tf.dispose([x, chosen, gates, output]);
      return got;
    },
    async step(values, targets) {
      const [x, target] = [matrix(values), matrix(targets)];
      const chosen = tf.tidy(() => tf.topk(scoresOf(x), k).indices);
      const plan = sort(await chosen.data(), sizes);
      const loss = tf.tidy(() => {
        const marks = tf.oneHot(chosen, experts).toFloat();
        // No gradient reaches the scores through `topk`.
        const gatesOf = () => normalized(marks.mul(scoresOf(x).reshape([tokens, 1, experts])).sum(2));
        const output = () => mix(tf, sizes, weights, plan, x, gatesOf());
        const { value, grads } = tf.variableGrads(() => output().sub(target).square().mean(), variables);
        for (const learned of variables) {
          if (grads[learned.name]) learned.assign(learned.sub(grads[learned.name].mul(learningRate)));
        }
        return value;
      });
      const [before] = await loss.data();
      tf.dispose([x, target, chosen, loss]);
      await tf.backend().device?.queue.onSubmittedWorkDone();
      return before;
    },
    about: () => (engine === "wasm" ? `${tf.wasm.getThreadsCount()} threads` : ""),
  };
}

async function start(engine, threads) {
  await script(`${FOLDER}/tfjs/dist/tf.min.js`);
  await script(`${FOLDER}/tfjs-backend-${engine}/dist/tf-backend-${engine}.min.js`);
  const { tf } = globalThis;
  if (engine === "wasm") {
    tf.wasm.setWasmPaths(`${FOLDER}/tfjs-backend-wasm/dist/`);
    tf.wasm.setThreadsCount(threads);
  }
  if (!(await tf.setBackend(engine))) throw new Error(`TensorFlow.js has no ${engine} here`);
  return tf;
}

function script(src) {
  return new Promise((loaded, failed) => {
    const element = Object.assign(document.createElement("script"), { src, onload: loaded });
    element.onerror = () => failed(new Error(`${src} did not load`));
    document.head.append(element);
  });
}

/** `rows`: tokens by expert; `place`: of every assignment among the rows, one expert after the other. */
function sort(chosen, { experts, k }) {
  const assignments = Array.from({ length: experts }, () => []);
  chosen.forEach((expert, assignment) => assignments[expert].push(assignment));
  const sorted = Int32Array.from(assignments.flat());
  const place = new Int32Array(sorted.length);
  sorted.forEach((assignment, at) => (place[assignment] = at));
  return { rows: assignments.map((own) => Int32Array.from(own, (a) => Math.floor(a / k))), sorted, place };
}

function mix(tf, { tokens, dModel: d, k }, { w1, b1, w2, b2 }, { rows, sorted, place }, x, gates) {
  const out = rows.flatMap((own, e) => {
    if (own.length === 0) return [];
    const taken = tf.gather(x, tf.tensor1d(own, "int32"));
    const hidden = tf.relu(tf.matMul(taken, w1[e]).add(b1[e]));
    return [tf.matMul(hidden, w2[e]).add(b2[e])];
  });
  // The gradient of a permutation is a gather as well; of a gather in general the wasm backend has none.
  const permuted = tf.customGrad((all) => ({
    value: tf.gather(all, tf.tensor1d(place, "int32")),
    gradFunc: (dy) => tf.gather(dy, tf.tensor1d(sorted, "int32")),
  }));
  return permuted(tf.concat(out, 0)).reshape([tokens, k, d]).mul(gates.reshape([tokens, k, 1])).sum(1);
}
