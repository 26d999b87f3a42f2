/**
 * A small sparse layer in f64, written from the formulas: softmax over all experts, the k best (ties to the lower
 * index), renormalised, dropless, experts W2·silu(W1·x). Gradients by central differences.
 */

/** @returns `output` `[T, dModel]` and `experts` `[T, k]`, best first */
export function forward({ dModel, dFf, experts, k }, weights, x) {
  const tokens = x.length / dModel;
  const output = new Float64Array(x.length);
  const chosen = [];
  for (let t = 0; t < tokens; t++) {
    const row = x.slice(t * dModel, (t + 1) * dModel);
    const scores = softmax(product(weights.router, row, experts));
    const best = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b).slice(0, k);
    const sum = best.reduce((total, e) => total + scores[e], 0);
    chosen.push(...best);
    for (const e of best) {
      const hidden = product(weights.w1.slice(e * dFf * dModel, (e + 1) * dFf * dModel), row, dFf);
      const active = hidden.map((h) => h / (1 + Math.exp(-h)));
      const out = product(weights.w2.slice(e * dFf * dModel, (e + 1) * dFf * dModel), active, dModel);
      for (let i = 0; i < dModel; i++) output[t * dModel + i] += (scores[e] / sum) * out[i];
    }
  }
  return { output, experts: chosen };
}

/** Gradient of `sum(output · dOutput)` by every value of the array `name` (`"x"` or a weight's name). */
export function gradient(shape, weights, x, dOutput, name) {
  const step = 1e-5;
  const point = { ...inDoubles(weights), x: Float64Array.from(x) };
  const value = () => forward(shape, point, point.x).output.reduce((sum, y, i) => sum + y * dOutput[i], 0);
  return point[name].map((middle, i) => {
    point[name][i] = middle + step;
    const above = value();
    point[name][i] = middle - step;
    const below = value();
    point[name][i] = middle;
    return (above - below) / (2 * step);
  });
}

/** The arrays in f64. */
export function inDoubles(weights) {
  return Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Float64Array.from(values)]));
}

/** `matrix` `[rows, vector.length]` times the vector. */
function product(matrix, vector, rows) {
  const columns = vector.length;
  return Float64Array.from({ length: rows }, (_, r) => vector.reduce((sum, v, c) => sum + v * matrix[r * columns + c], 0));
}

function softmax(logits) {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
