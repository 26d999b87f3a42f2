/**
 * What stands behind a runtime: the WebAssembly module in this thread, or in a worker. The public objects are written
 * once, over these interfaces. They make one call at a time on each object, never call it after `release()`, and turn
 * rejections into `WebMoeError`s.
 */
import type {
  BackwardOptions,
  Counters,
  ForwardOptions,
  GradientUpdate,
  LayerConfig,
  LayerGradients,
  LayerOutput,
  LayerWeights,
  TaskNetwork,
} from "./api.js";

/** Why a device is gone. */
export interface Lost {
  reason: string;
  message: string;
}

/** The options that reach the engine; a signal stays with the caller's thread. */
export type EngineForwardOptions = Omit<ForwardOptions, "signal">;

/** One layer. */
export interface EngineLayer {
  /** The description with its defaults. */
  readonly config: LayerConfig;
  weights(): Promise<LayerWeights>;
  setWeights(weights: Partial<LayerWeights>): Promise<void>;
  forward(x: Float32Array, options: EngineForwardOptions): Promise<LayerOutput>;
  backward(dOutput: Float32Array, options: BackwardOptions): Promise<LayerGradients>;
  taskNetwork(task: number): Promise<TaskNetwork>;
  applyGradients(update: GradientUpdate): Promise<void>;
  /** Frees everything. */
  release(): void;
}

/** One device. */
export interface EngineRuntime {
  readonly device: "webgpu" | "cpu";
  readonly adapter: string;
  /** Resolves when the device is gone; never rejects. */
  readonly lost: Promise<Lost>;
  createLayer(config: LayerConfig): Promise<EngineLayer>;
  counters(): Promise<Counters>;
  /** Frees everything and gives the last counters; its layers were released before. */
  release(): Promise<Counters>;
}

/** How to open a runtime, once the caller's options were checked. */
export interface EngineOptions {
  device: "auto" | "webgpu" | "cpu";
  gpuDevice?: GPUDevice | undefined;
  signal?: AbortSignal | undefined;
}
