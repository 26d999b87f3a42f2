/** What the worker offers to the page: one runtime, its layers by number. */
import type { Counters, LayerConfig } from "./api.js";
import type { EngineLayer, Lost } from "./engine.js";
import type { Listener } from "./progress.js";

/** The calls on a layer that cross. */
export type LayerCall = "weights" | "setWeights" | "forward" | "backward" | "taskNetwork" | "applyGradients";

/** What such a call takes. */
export type LayerArguments<C extends LayerCall> = Parameters<EngineLayer[C]>;

/** What such a call gives. */
export type LayerResult<C extends LayerCall> = Awaited<ReturnType<EngineLayer[C]>>;

/** The worker's side of the conversation; every rejection is a plain object `{ code, message, details }`. */
export interface WorkerHost {
  open(
    device: "auto" | "webgpu" | "cpu",
    wasm: string | WebAssembly.Module,
    report: Listener,
  ): Promise<{ device: "webgpu" | "cpu"; adapter: string }>;
  lost(): Promise<Lost>;
  counters(): Promise<Counters>;
  createLayer(config: LayerConfig): Promise<{ id: number; config: LayerConfig }>;
  callLayer<C extends LayerCall>(id: number, call: C, args: LayerArguments<C>): Promise<LayerResult<C>>;
  releaseLayer(id: number): Promise<void>;
  release(): Promise<Counters>;
}
