import type { SymmetricKl } from "./api.js";
import { checkFloats } from "./arguments.js";
import { invalidArgument, WebMoeError } from "./errors.js";

/**
 * The symmetric Kullback-Leibler divergence of two predictions, with gradients for both: for each row of logits
 * `½·(KL(p‖q) + KL(q‖p))`, with `p` the softmax of `a` and `q` that of `b` (THOR, Zuo et al. 2021). Computed here, in f64: it
 * needs no runtime. Leave out rows of padding.
 * @param a `[rows, classes]`: the logits of one pass
 * @param b `[rows, classes]`: those of the other
 * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `WRONG_LENGTH`.
 */
export function symmetricKl(a: Float32Array, b: Float32Array, classes: number): SymmetricKl {
  checkFloats("a", a);
  checkFloats("b", b);
  if (!Number.isInteger(classes) || classes < 1) throw invalidArgument("classes", classes, "a whole number from 1");
  const rows = Math.ceil(a.length / classes);
  for (const [what, { length: got }] of Object.entries({ a, b })) {
    const wanted = rows * classes;
    const shape = `[${rows}, ${classes}]`;
    if (got !== wanted) {
      const message = `\`${what}\` has ${got} values; its shape ${shape} wants ${wanted}`;
      throw new WebMoeError("WRONG_LENGTH", message, { what, got, wanted, shape });
    }
  }
  const kl = { value: 0, rows: new Float32Array(rows), a: new Float32Array(a.length), b: new Float32Array(b.length) };
  for (let row = 0; row < rows; row++) {
    const from = row * classes;
    const logP = logSoftmax(a, from, classes);
    const logQ = logSoftmax(b, from, classes);
    const p = logP.map(Math.exp);
    const q = logQ.map(Math.exp);
    const apart = logP.map((log, i) => log - logQ[i]!);
    const pToQ = p.reduce((sum, p, i) => sum + p * apart[i]!, 0);
    const qToP = q.reduce((sum, q, i) => sum - q * apart[i]!, 0);
    for (let i = 0; i < classes; i++) {
      kl.a[from + i] = 0.5 * (p[i]! * (apart[i]! - pToQ) + p[i]! - q[i]!);
      kl.b[from + i] = 0.5 * (q[i]! * (-apart[i]! - qToP) + q[i]! - p[i]!);
    }
    kl.rows[row] = 0.5 * (pToQ + qToP);
    kl.value += 0.5 * (pToQ + qToP);
  }
  return kl;
}

function logSoftmax(logits: Float32Array, from: number, classes: number): Float64Array {
  const row = Float64Array.from(logits.subarray(from, from + classes));
  const top = row.reduce((top, logit) => Math.max(top, logit), -Infinity);
  const over = top + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  return row.map((logit) => logit - over);
}
