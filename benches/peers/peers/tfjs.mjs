/**
 * TensorFlow.js: the routing is read back, each expert's rows are gathered, and each token gathers its results.
 * (One-hot products and all experts on all tokens are far slower on both engines.)
 */

const FOLDER = "/node_modules/@tensorflow";

/** `engine`: "webgpu", "wasm"; `threads`: of wasm. */
export async function open({ engine, threads, ...sizes }, arrays) {
  const tf = await start(engine, threads);
  const { tokens, dModel: d, dFf, experts, k } = sizes;
  // A tensor for each expert: slicing one of all would copy it on every call.
  const each = (values, ...shape) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return Array.from({ length: experts }, (_, e) => tf.tensor(values.slice(e * size, (e + 1) * size), shape));
  };
  const router = tf.tensor(arrays.router, [d, experts]);
  const weights = {
    w1: each(arrays.w1, d, dFf),
    b1: each(arrays.b1, dFf),
    w2: each(arrays.w2, dFf, d),
    b2: each(arrays.b2, d),
  };
  return {
    async forward(values) {
      const x = tf.tensor(values, [tokens, d]);
      const { chosen, gates } = tf.tidy(() => {
        const { values: best, indices } = tf.topk(tf.softmax(tf.matMul(x, router)), k);
        return { chosen: indices, gates: k > 1 ? best.div(best.sum(1, true)) : best };
      });
      const plan = sort(await chosen.data(), sizes);
      const output = tf.tidy(() => mix(tf, sizes, weights, plan, x, gates));
      const got = await output.data();
      tf.dispose([x, chosen, gates, output]);
      return got;
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
  const place = new Int32Array(chosen.length);
  assignments.flat().forEach((assignment, at) => (place[assignment] = at));
  return { rows: assignments.map((own) => Int32Array.from(own, (a) => Math.floor(a / k))), place };
}

function mix(tf, { tokens, dModel: d, k }, { w1, b1, w2, b2 }, { rows, place }, x, gates) {
  const out = rows.flatMap((own, e) => {
    if (own.length === 0) return [];
    const taken = tf.gather(x, tf.tensor1d(own, "int32"));
    const hidden = tf.relu(tf.matMul(taken, w1[e]).add(b1[e]));
    return [tf.matMul(hidden, w2[e]).add(b2[e])];
  });
  const own = tf.gather(tf.concat(out, 0), tf.tensor1d(place, "int32"));
  return own.reshape([tokens, k, d]).mul(gates.reshape([tokens, k, 1])).sum(1);
}
