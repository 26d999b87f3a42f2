/** The layer in f64, slow and obvious: what every output is checked against. */

/**
 * What a workload should give.
 * @returns {{ output: Float64Array, losses: number[], largestLoad: number }} `output`: [T, d], after the steps if
 * the workload trains; `losses`: before each step; `largestLoad`: the most assignments that any expert ever has
 */
export function expected(workload, { x, target, ...weights }) {
  const wide = Object.entries(weights).map(([name, values]) => [name, Float64Array.from(values)]);
  const learned = Object.fromEntries(wide);
  const losses = [];
  let pass = forward(workload, learned, x);
  let largestLoad = pass.largestLoad;
  for (let step = 0; step < (workload.train?.steps ?? 0); step++) {
    losses.push(descend(workload, learned, x, target, pass));
    pass = forward(workload, learned, x);
    largestLoad = Math.max(largestLoad, pass.largestLoad);
  }
  return { output: pass.output, losses, largestLoad };
}

/** Routing and output, and what the backward pass needs of them. */
function forward(workload, weights, x) {
  const { tokens, dModel: d, dFf, experts, k } = workload;
  const output = new Float64Array(tokens * d);
  const probabilities = new Float64Array(tokens * experts);
  const byExpert = Array.from({ length: experts }, () => []);
  for (let t = 0; t < tokens; t++) {
    const p = probabilities.subarray(t * experts, (t + 1) * experts);
    times(x.subarray(t * d, (t + 1) * d), weights.router, p);
    softmax(p);
    const chosen = Array.from(p.keys()).sort((a, b) => p[b] - p[a]).slice(0, k);
    const sum = k > 1 ? chosen.reduce((total, e) => total + p[e], 0) : 1;
    for (const e of chosen) byExpert[e].push({ t, chosen, weight: p[e] / sum, sum });
  }
  byExpert.forEach((assignments, e) => {
    const [w1, b1, w2, b2] = expert(weights, e, d, dFf);
    for (const a of assignments) {
      a.hidden = Float64Array.from(b1);
      times(x.subarray(a.t * d, (a.t + 1) * d), w1, a.hidden);
      for (let f = 0; f < dFf; f++) a.hidden[f] = Math.max(a.hidden[f], 0);
      a.out = Float64Array.from(b2);
      times(a.hidden, w2, a.out);
      for (let i = 0; i < d; i++) output[a.t * d + i] += a.weight * a.out[i];
    }
  });
  return { output, probabilities, byExpert, largestLoad: Math.max(...byExpert.map(({ length }) => length)) };
}

/** One step of gradient descent from a pass, on the mean square of output - target, of which it returns the value. */
function descend(workload, weights, x, target, { output, probabilities, byExpert }) {
  const { tokens, dModel: d, dFf, experts, k } = workload;
  const { learningRate } = workload.train;
  const difference = output.map((y, i) => y - target[i]);
  const dOutput = difference.map((r) => (2 * r) / difference.length);
  const dProbabilities = new Float64Array(tokens * experts);
  byExpert.forEach((assignments, e) => {
    const [w1, b1, w2, b2] = expert(weights, e, d, dFf);
    // Every gradient is of the weights as they were; `w2` is read after it would have changed.
    const before = Float64Array.from(w2);
    for (const { t, chosen, weight, sum, hidden, out } of assignments) {
      const dy = dOutput.subarray(t * d, (t + 1) * d);
      const dOut = dy.map((g) => g * weight);
      const dHidden = hidden.map((h, f) => (h > 0 ? dot(before.subarray(f * d, (f + 1) * d), dOut) : 0));
      subtractOuter(w2, hidden, dOut, learningRate);
      subtractOuter(w1, x.subarray(t * d, (t + 1) * d), dHidden, learningRate);
      for (let i = 0; i < d; i++) b2[i] -= learningRate * dOut[i];
      for (let f = 0; f < dFf; f++) b1[f] -= learningRate * dHidden[f];
      // weight = p / sum of the chosen p: its own term, and one in every chosen p
      const dWeight = dot(dy, out);
      dProbabilities[t * experts + e] += dWeight / sum;
      if (k > 1) for (const other of chosen) dProbabilities[t * experts + other] -= (dWeight * weight) / sum;
    }
  });
  for (let t = 0; t < tokens; t++) {
    const p = probabilities.subarray(t * experts, (t + 1) * experts);
    const dp = dProbabilities.subarray(t * experts, (t + 1) * experts);
    const mean = dot(p, dp);
    const dLogits = p.map((value, e) => value * (dp[e] - mean));
    subtractOuter(weights.router, x.subarray(t * d, (t + 1) * d), dLogits, learningRate);
  }
  return dot(difference, difference) / difference.length;
}

/** Views of one expert's w1[d, F], b1[F], w2[F, d], b2[d]. */
function expert({ w1, b1, w2, b2 }, e, d, dFf) {
  const part = (values, size) => values.subarray(e * size, (e + 1) * size);
  return [part(w1, d * dFf), part(b1, dFf), part(w2, dFf * d), part(b2, d)];
}

/** sum[n] += row[m] · matrix[m, n] */
function times(row, matrix, sum) {
  const n = sum.length;
  for (let i = 0; i < row.length; i++) {
    const factor = row[i];
    for (let j = 0, at = i * n; j < n; j++, at++) sum[j] += factor * matrix[at];
  }
}

/** matrix[m, n] -= factor · column[m] row[n]ᵀ */
function subtractOuter(matrix, column, row, factor) {
  const n = row.length;
  for (let i = 0; i < column.length; i++) {
    const scaled = factor * column[i];
    for (let j = 0, at = i * n; j < n; j++, at++) matrix[at] -= scaled * row[j];
  }
}

function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function softmax(values) {
  const most = Math.max(...values);
  for (let i = 0; i < values.length; i++) values[i] = Math.exp(values[i] - most);
  const sum = values.reduce((a, b) => a + b, 0);
  for (let i = 0; i < values.length; i++) values[i] /= sum;
}
