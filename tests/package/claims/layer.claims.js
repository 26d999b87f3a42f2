/** What a layer computes, and how its calls live together. */
import { assert, assertClose, assertCode, assertEqual, everywhere, numbers, PLACES, withLayer } from "./support.js";
import { forward, gradient, inDoubles } from "./oracle.js";

const SHAPE = { dModel: 8, dFf: 12, experts: 4, k: 2 };
const SMALL = {
  dModel: SHAPE.dModel,
  dFf: SHAPE.dFf,
  experts: SHAPE.experts,
  activation: "silu",
  router: { kind: "topK", k: SHAPE.k, renormalize: "preDrop" },
  seed: 3,
};
const X = numbers(1, 6 * SHAPE.dModel);
const D_OUTPUT = numbers(2, X.length);

/** Everything at once: gating, biases, drops, a shared expert, four virtual devices. */
const RICH = {
  dModel: 32,
  dFf: 48,
  experts: 8,
  activation: "geluTanh",
  gated: true,
  bias: true,
  routerBias: true,
  router: { kind: "topK", k: 2, scoring: "sigmoid", renormalize: "postDrop" },
  capacity: { factor: 1, per: "assignment", priority: "weight" },
  sharedExpert: { dFf: 16, gate: true },
  mesh: { devices: 4 },
  lossWeights: { loadBalance: 0.01, z: 0.001 },
  seed: 5,
};

export default {
  ...everywhere("forward agrees with the f64 oracle, experts exactly", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const want = forward(SHAPE, inDoubles(await layer.weights()), Float64Array.from(X));
      const { output, routing } = await layer.forward(X);
      assertClose("output", output, want.output);
      assertEqual("experts", [...routing.experts], want.experts);
    }),
  ),

  ...everywhere("routeOnly tells who goes where, as a whole pass does, and nothing else", (place) =>
    withLayer(place, RICH, async (layer) => {
      const x = numbers(4, 16 * RICH.dModel);
      const whole = await layer.forward(x);
      const routing = await layer.forward(x, { routeOnly: true });
      assertEqual("what was read", Object.keys(routing).sort(), ["losses", "routing"]);
      assertEqual("experts", [...routing.routing.experts], [...whole.routing.experts]);
      assertEqual("weights", [...routing.routing.weights], [...whole.routing.weights]);
      assertEqual("losses", routing.losses, whole.losses);
      await assertCode("backward", "OUT_OF_ORDER", () => layer.backward(x));
      await assertCode("output", "INVALID_ARGUMENT", () => layer.forward(x, { routeOnly: true, read: ["output"] }));
      await assertCode("a word", "INVALID_ARGUMENT", () => layer.forward(x, { routeOnly: "yes" }));
      assertEqual("output", [...(await layer.forward(x)).output], [...whole.output]);
    }),
  ),

  ...everywhere("backward agrees with differences of the f64 oracle", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const weights = await layer.weights();
      await layer.forward(X, { train: true, read: [] });
      const gradients = await layer.backward(D_OUTPUT);
      for (const name of ["x", "router", "w1", "w2"]) {
        assertClose(name, gradients[name], gradient(SHAPE, weights, X, D_OUTPUT, name));
      }
    }),
  ),

  ...everywhere("applyGradients moves every weight by the learning rate times its gradient", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const before = await layer.weights();
      await layer.forward(X, { train: true });
      await layer.backward(D_OUTPUT, { read: [] });
      await layer.applyGradients({ kind: "sgd", learningRate: 0.5 });
      const after = await layer.weights();
      for (const name of ["router", "w1", "w2"]) {
        const slope = gradient(SHAPE, before, X, D_OUTPUT, name);
        assertClose(name, after[name], [...before[name]].map((value, i) => value - 0.5 * slope[i]));
      }
    }),
  ),

  ...everywhere("gradients that accumulate are those of all batches since the last step", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const weights = await layer.weights();
      for (let batches = 1; batches <= 3; batches++) {
        await layer.forward(X, { train: true });
        const gradients = await layer.backward(D_OUTPUT, { accumulate: true });
        const times = (name, n) => [...gradient(SHAPE, weights, X, D_OUTPUT, name)].map((slope) => n * slope);
        assertClose("w1", gradients.w1, times("w1", batches));
        assertClose("x", gradients.x, times("x", 1));
      }
      await layer.applyGradients({ kind: "sgd", learningRate: 0 });
      await layer.forward(X, { train: true });
      const again = await layer.backward(D_OUTPUT, { accumulate: true });
      assertClose("w1 after a step", again.w1, gradient(SHAPE, weights, X, D_OUTPUT, "w1"));
    }),
  ),

  async "both engines give the same outputs, plans, losses, traffic and gradients, in the page and in a worker"() {
    const x = numbers(7, 64 * RICH.dModel);
    const results = [];
    for (const place of PLACES) {
      results.push(
        await withLayer(place, RICH, async (layer) => {
          const out = await layer.forward(x, { train: true });
          return { out, gradients: await layer.backward(numbers(8, x.length)) };
        }),
      );
    }
    const [want, ...others] = results;
    assert(want.out.routing.kept.includes(0), "the layer was to drop something");
    for (const { out, gradients } of others) {
      assertClose("output", out.output, want.out.output);
      for (const name of ["experts", "kept", "positions", "demanded", "load"]) {
        assertEqual(name, [...out.routing[name]], [...want.out.routing[name]]);
      }
      assertEqual("losses", Object.keys(out.losses), Object.keys(want.out.losses));
      assertClose("losses", Object.values(out.losses), Object.values(want.out.losses));
      assertEqual("networkBytes", out.traffic.networkBytes, want.out.traffic.networkBytes);
      const { traffic, ...arrays } = want.gradients;
      assertEqual("backward's networkBytes", gradients.traffic.networkBytes, traffic.networkBytes);
      assertEqual("gradients", Object.keys(gradients).sort(), Object.keys(want.gradients).sort());
      for (const [name, values] of Object.entries(arrays)) assertClose(`gradient of ${name}`, gradients[name], values);
    }
  },

  ...everywhere("no tokens give empty arrays", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const { output, routing } = await layer.forward(new Float32Array(0));
      assertEqual("lengths", [output.length, routing.tokens, routing.experts.length], [0, 0, 0]);
      assertEqual("load", [...routing.load], [0, 0, 0, 0]);
    }),
  ),

  ...everywhere("no slots drop every assignment and give zeros", (place) =>
    withLayer(place, { ...SMALL, capacity: { slots: 0 } }, async (layer) => {
      const { output, routing } = await layer.forward(X);
      assert(output.every((value) => value === 0), "the output is not zero");
      assertEqual("kept", [...new Set(routing.kept)], [0]);
      assertEqual("positions", [...new Set(routing.positions)], [-1]);
    }),
  ),

  ...everywhere("calls made at once run in order and give what they give one by one", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const other = numbers(9, X.length);
      const alone = [await layer.forward(X), await layer.forward(other)];
      const atOnce = await Promise.all([layer.forward(X), layer.forward(other), layer.backward(D_OUTPUT)]);
      for (const i of [0, 1]) assertEqual("output", [...atOnce[i].output], [...alone[i].output]);
      const backward = await layer.backward(D_OUTPUT);
      assertEqual("gradient of the second", [...atOnce[2].x], [...backward.x]);
    }),
  ),

  ...everywhere("two layers of a runtime run side by side", (place) =>
    withLayer(place, SMALL, (first) =>
      withLayer(place, { ...SMALL, seed: 4 }, async (second) => {
        const alone = [await first.forward(X), await second.forward(X)];
        const atOnce = await Promise.all([first.forward(X), second.forward(X)]);
        for (const i of [0, 1]) assertEqual("output", [...atOnce[i].output], [...alone[i].output]);
      }),
    ),
  ),

  ...everywhere("the caller keeps its arrays, also views of larger ones", (place) =>
    withLayer(place, SMALL, async (layer) => {
      const room = new Float32Array(X.length + 100);
      room.set(X, 50);
      const view = room.subarray(50, 50 + X.length);
      const w1 = numbers(4, 4 * 12 * 8);
      await layer.setWeights({ w1 });
      const { output } = await layer.forward(view);
      await layer.backward(output);
      assertEqual("lengths", [view.length, w1.length, output.length], [X.length, 4 * 12 * 8, X.length]);
      assertEqual("values", [...view], [...X]);
      assertEqual("weights", [...(await layer.weights()).w1], [...w1]);
      assertEqual("as from an array of its own", [...(await layer.forward(X)).output], [...output]);
    }),
  ),

  ...everywhere("read brings back what it names and nothing else", (place) =>
    withLayer(place, SMALL, async (layer) => {
      assertEqual("default", Object.keys(await layer.forward(X)).sort(), ["losses", "output", "routing", "traffic"]);
      assertEqual("nothing", Object.keys(await layer.forward(X, { read: [] })), []);
      const { scores } = await layer.forward(X, { read: ["scores"] });
      assertEqual("scores", scores.length, 6 * SHAPE.experts);
      assertEqual("backward", Object.keys(await layer.backward(D_OUTPUT, { read: ["x"] })), ["x"]);
    }),
  ),

  ...everywhere("a layer tells its description with the defaults filled in", (place) =>
    withLayer(place, { ...SMALL, activation: undefined }, async (layer) => {
      const { dModel, activation, capacity, mesh, router } = layer.config;
      assertEqual("config", { dModel, activation, capacity, mesh }, {
        dModel: 8,
        activation: "gelu",
        capacity: "dropless",
        mesh: { devices: 1 },
      });
      assertEqual("router", [router.kind, router.scoring, router.softmaxOver], ["topK", "softmax", "all"]);
    }),
  ),
};
