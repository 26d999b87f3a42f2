/** This project's package, as anyone would call it. */
import { createRuntime } from "webmoe";
import { transposed } from "../page/arrays.mjs";
import { openClockedDevice } from "../page/gpu-clock.mjs";

/** `engine`: "webgpu", "cpu"; `read`: what a call brings back, all by default; `clocked`: times its kernels. */
export async function open({ engine, read = ["output"], clocked, learningRate, ...sizes }, { router, w1, b1, w2, b2 }) {
  const { dModel, dFf, experts, k, devices } = sizes;
  const clock = clocked ? await openClockedDevice() : undefined;
  const runtime = await createRuntime(clock ? { gpuDevice: clock.device } : { device: engine });
  const layer = await runtime.createLayer({
    dModel,
    dFf,
    experts,
    activation: "relu",
    bias: true,
    router: { kind: "topK", k, renormalize: k > 1 ? "preDrop" : "none" },
    mesh: { devices },
  });
  await layer.setWeights({
    router: transposed(router, dModel, experts),
    w1: transposed(w1, dModel, dFf),
    b1,
    w2: transposed(w2, dFf, dModel),
    b2,
  });
  return {
    forward: async (x) => (await layer.forward(x, { read })).output,
    async step(x, target) {
      const { output } = await layer.forward(x, { train: true, read: ["output"] });
      const difference = output.map((y, i) => y - target[i]);
      await layer.backward(difference.map((r) => (2 * r) / difference.length), { read: [] });
      await layer.applyGradients({ kind: "sgd", learningRate });
      return difference.reduce((sum, r) => sum + r * r, 0) / difference.length;
    },
    kernels: clock && (() => clock.take()),
    about: () => runtime.adapter,
  };
}
