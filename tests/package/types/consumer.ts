/** Compiled, not run: the package's types as a strict project uses them. */
import {
  capabilities,
  createRuntime,
  symmetricKl,
  WebMoeError,
  type Capabilities,
  type LayerConfig,
  type LayerGradients,
  type LayerOutput,
  type LayerWeights,
  type MoeLayer,
  type RouterConfig,
  type Routing,
  type Runtime,
  type RuntimeOptions,
  type SymmetricKl,
  type Traffic,
} from "webmoe";
import { createRuntime as createInline } from "webmoe/inline";
import { createRuntime as createSlim } from "webmoe/slim";
import "webmoe/worker";

const router: RouterConfig = { kind: "topK", k: 2, scoring: "sigmoid", selectionBias: new Float32Array(8) };
const config: LayerConfig = {
  dModel: 8,
  dFf: 16,
  experts: 8,
  router,
  capacity: { factor: 1.25, per: "assignment", priority: "weight" },
  mesh: { devices: 4 },
  lossWeights: { loadBalance: 0.01 },
};

export async function use(options: RuntimeOptions): Promise<LayerGradients> {
  const found: Capabilities = await capabilities();
  const runtime: Runtime = await createRuntime({ ...options, device: found.webgpu ? "webgpu" : "cpu" });
  const layer: MoeLayer = await runtime.createLayer({ ...config, capacity: { slots: 0 } });
  const out: LayerOutput = await layer.forward(new Float32Array(64), { train: true, read: ["output", "scores"] });
  const routing: Routing = out.routing;
  const traffic: Traffic = out.traffic;
  const weights: LayerWeights = await layer.weights();
  await layer.setWeights({ w1: weights.w1.map((value) => value * routing.tokens * traffic.networkBytes) });
  return layer.backward(out.output, { read: ["x"] });
}

export function apart(logits: Float32Array): Float32Array {
  const kl: SymmetricKl = symmetricKl(logits, logits, 8);
  return kl.value === 0 ? kl.a : kl.rows;
}

export async function scoped(): Promise<number> {
  using runtime = await createInline({ worker: true });
  using layer = await runtime.createLayer(config);
  await layer.applyGradients({ kind: "sgd", learningRate: 1 });
  return (await runtime.counters()).buffers;
}

export async function refused(): Promise<string> {
  try {
    // @ts-expect-error the slim entry must be told where the module is
    await createSlim({});
    // @ts-expect-error no such router
    await (await createRuntime()).createLayer({ ...config, router: { kind: "roulette" } });
  } catch (error) {
    if (error instanceof WebMoeError) return `${error.code} ${Object.keys(error.details).join()}`;
  }
  return "";
}
