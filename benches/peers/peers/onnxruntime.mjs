/** onnxruntime-web. */
import { model } from "../onnx/forms.mjs";

/** `engine`: "webgpu", "wasm"; `threads`: of wasm; `form`: of `onnx/forms.mjs`. */
export async function open({ engine, threads, form, ...sizes }, weights) {
  const ort = await import(`onnxruntime-web/${engine}`);
  if (threads) ort.env.wasm.numThreads = threads;
  const options = { executionProviders: [engine], graphOptimizationLevel: "all" };
  const session = await ort.InferenceSession.create(model(form, sizes, weights), options);
  const shape = [sizes.tokens, sizes.dModel];
  return {
    async forward(x) {
      const { y } = await session.run({ x: new ort.Tensor("float32", x, shape) });
      return y.getData(true);
    },
  };
}
