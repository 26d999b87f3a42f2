/** The layer as ONNX graphs: one of its operator, the others of what exporters make of it. */
import { transposed } from "../page/arrays.mjs";
import { Graph, INT32 } from "./graph.mjs";

/**
 * The model of one form.
 * @param {{ tokens, dModel, dFf, experts, k, slots }} sizes `slots`: rows that hold any expert's assignments
 */
export function model(form, sizes, weights) {
  const graph = new Graph();
  return graph.model(FORMS[form](graph, sizes, weights), [sizes.tokens, sizes.dModel]);
}

const FORMS = {
  /** ONNX Runtime's own operator. */
  moe(g, { dModel: d, dFf, experts, k }, { router, w1, b1, w2, b2 }) {
    const inputs = [
      "x",
      g.node("MatMul", ["x", g.tensor(router, [d, experts])]),
      g.tensor(transposed(w1, d, dFf), [experts, dFf, d]),
      g.tensor(b1, [experts, dFf]),
      g.tensor(transposed(w2, dFf, d), [experts, d, dFf]),
      g.tensor(b2, [experts, d]),
    ];
    const normalize_routing_weights = k > 1 ? 1 : 0;
    return g.node("MoE", inputs, { domain: "com.microsoft", k, activation_type: "relu", normalize_routing_weights });
  },

  /** Expert by expert: the rows that chose it, its products, added to where they came from. */
  loop(g, sizes, weights) {
    const { tokens, dModel: d, experts } = sizes;
    const { best, chosen } = route(g, sizes, weights);
    const gates = g.node("Transpose", [scatterGates(g, sizes, best, chosen)], { perm: [1, 0] });
    let y = g.tensor(new Float32Array(tokens * d), [tokens, d]);
    for (let e = 0; e < experts; e++) {
      const gate = g.node("Gather", [gates, g.tensor(BigInt64Array.of(BigInt(e)), [])], { axis: 0 });
      const rows = g.node("Squeeze", [g.node("NonZero", [gate]), g.integers(0)]);
      const out = expert(g, g.node("Gather", ["x", rows], { axis: 0 }), one(g, sizes, weights, e));
      const weight = g.node("Unsqueeze", [g.node("Gather", [gate, rows], { axis: 0 }), g.integers(1)]);
      const where = g.node("Unsqueeze", [rows, g.integers(1)]);
      y = g.node("ScatterND", [y, where, g.node("Mul", [out, weight])], { reduction: "add" });
    }
    return y;
  },

  /** All experts at once on buffers of `slots` rows, and each token gathers its results. */
  slots(g, sizes, weights) {
    const { tokens, dModel: d, experts, k, slots } = sizes;
    const { best, chosen } = route(g, sizes, weights);
    const gates = g.node("Transpose", [scatterGates(g, sizes, best, chosen)], { perm: [1, 0] });
    const [, rows] = g.nodes("TopK", [gates, g.integers(slots)], 2, { axis: 1 });
    const out = expert(g, g.node("Gather", ["x", rows], { axis: 0 }), all(g, sizes, weights));
    const numbered = g.tensor(new Float32Array(experts * slots).map((_, i) => i), [experts, slots]);
    const nowhere = g.tensor(new Float32Array(experts * tokens), [experts, tokens]);
    const slotOf = g.node("ScatterElements", [nowhere, rows, numbered], { axis: 1 });
    const own = g.node("GatherElements", [g.node("Transpose", [slotOf], { perm: [1, 0] }), chosen], { axis: 1 });
    const flat = g.node("Reshape", [out, g.integers(experts * slots, d)]);
    const results = g.node("Gather", [flat, g.node("Cast", [own], { to: INT32 })], { axis: 0 });
    const weighed = g.node("Mul", [results, g.node("Reshape", [best, g.integers(tokens, k, 1)])]);
    return g.node("ReduceSum", [weighed, g.integers(1)], { keepdims: 0 });
  },

  /** For one token: the weights of its experts, gathered. */
  chosen(g, sizes, weights) {
    const { dModel: d, dFf, k } = sizes;
    const { best, chosen } = route(g, sizes, weights);
    const index = g.node("Reshape", [chosen, g.integers(k)]);
    const gathered = all(g, sizes, weights).map((values) => g.node("Gather", [values, index], { axis: 0 }));
    const out = expert(g, g.node("Reshape", ["x", g.integers(1, 1, d)]), gathered);
    const weighed = g.node("Mul", [out, g.node("Reshape", [best, g.integers(k, 1, 1)])]);
    return g.node("ReduceSum", [weighed, g.integers(0)], { keepdims: 0 });
  },
};

/** `best`: f32[T, k], the weights; `chosen`: i64[T, k], their experts. */
function route(g, { dModel, experts, k }, { router }) {
  const logits = g.node("MatMul", ["x", g.tensor(router, [dModel, experts])]);
  const [best, chosen] = g.nodes("TopK", [g.node("Softmax", [logits], { axis: 1 }), g.integers(k)], 2, { axis: 1 });
  if (k === 1) return { best, chosen };
  return { best: g.node("Div", [best, g.node("ReduceSum", [best, g.integers(1)])]), chosen };
}

/** f32[T, E]: the weights, 0 where an expert was not chosen. */
function scatterGates(g, { tokens, experts }, best, chosen) {
  const zeros = g.tensor(new Float32Array(tokens * experts), [tokens, experts]);
  return g.node("ScatterElements", [zeros, chosen, best], { axis: 1 });
}

/** relu(x · w1 + b1) · w2 + b2 */
function expert(g, x, [w1, b1, w2, b2]) {
  const hidden = g.node("Relu", [g.node("Add", [g.node("MatMul", [x, w1]), b1])]);
  return g.node("Add", [g.node("MatMul", [hidden, w2]), b2]);
}

/** All experts' weights as batches of matrices. */
function all(g, { dModel: d, dFf, experts }, { w1, b1, w2, b2 }) {
  return [
    g.tensor(w1, [experts, d, dFf]),
    g.tensor(b1, [experts, 1, dFf]),
    g.tensor(w2, [experts, dFf, d]),
    g.tensor(b2, [experts, 1, d]),
  ];
}

/** One expert's weights. */
function one(g, { dModel: d, dFf }, { w1, b1, w2, b2 }, e) {
  const part = (values, ...shape) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return g.tensor(values.slice(e * size, (e + 1) * size), shape);
  };
  return [part(w1, d, dFf), part(b1, dFf), part(w2, dFf, d), part(b2, d)];
}
