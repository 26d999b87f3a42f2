/** The engine in this thread. */
import { WasmLayer, WasmRuntime } from "#bindings";
import type { BackwardOptions, Counters, GradientUpdate, LayerConfig, LayerWeights, WasmSource } from "./api.js";
import { adapterNames, adapterRequests } from "./adapters.js";
import { withBorrowedDevice } from "./borrowed-device.js";
import type { EngineForwardOptions, EngineLayer, EngineOptions, EngineRuntime } from "./engine.js";
import { load } from "./instance.js";
import type { Listener } from "./progress.js";
import { abortable, checkSignal } from "./signals.js";

/** Loads the module and opens a device. */
export async function openLocal(
  { device, gpuDevice, signal }: EngineOptions,
  wasm: WasmSource,
  report: Listener,
): Promise<EngineRuntime> {
  await load(wasm, report, signal);
  report({ phase: "device", loaded: 0, total: 1, text: "Opening the device" });
  const opening = adapterRequests.run(async () => {
    checkSignal(signal, "createRuntime");
    const runtime = await (gpuDevice
      ? withBorrowedDevice(gpuDevice, () => WasmRuntime.create({ device: "webgpu", borrowed: true }))
      : WasmRuntime.create({ device, borrowed: false }));
    const names = runtime.device === "webgpu" ? await adapterNames(gpuDevice) : "";
    return { runtime, adapter: names || runtime.adapter };
  });
  const { runtime, adapter } = await abortable(opening, signal, "createRuntime", (opened) => end(opened.runtime));
  return new LocalRuntime(runtime, adapter);
}

class LocalRuntime implements EngineRuntime {
  readonly #runtime: WasmRuntime;
  readonly device: "webgpu" | "cpu";
  readonly adapter: string;
  readonly lost;

  constructor(runtime: WasmRuntime, adapter: string) {
    this.#runtime = runtime;
    this.device = runtime.device;
    this.adapter = adapter;
    this.lost = runtime.lost();
  }

  async createLayer(config: LayerConfig) {
    return new LocalLayer(await this.#runtime.createLayer(config));
  }

  counters() {
    return this.#runtime.counters();
  }

  async release(): Promise<Counters> {
    const last = await this.#runtime.counters();
    // No `free()`: a pending `lost()` still borrows the object, which the bindings' finalizer frees in the end.
    this.#runtime.dispose();
    return { ...last, buffers: 0, bytes: 0 };
  }
}

class LocalLayer implements EngineLayer {
  readonly #layer: WasmLayer;
  readonly config: LayerConfig;

  constructor(layer: WasmLayer) {
    this.#layer = layer;
    this.config = layer.config();
  }

  weights() {
    return this.#layer.weights();
  }

  setWeights(weights: Partial<LayerWeights>) {
    return this.#layer.setWeights(weights);
  }

  forward(x: Float32Array, options: EngineForwardOptions) {
    return this.#layer.forward(x, options);
  }

  backward(dOutput: Float32Array, options: BackwardOptions) {
    return this.#layer.backward(dOutput, options);
  }

  taskNetwork(task: number) {
    return this.#layer.taskNetwork(task);
  }

  applyGradients(update: GradientUpdate) {
    return this.#layer.applyGradients(update);
  }

  release(): void {
    end(this.#layer);
  }
}

/** Gives back what the object holds, then the object. */
function end(object: { dispose(): void; free(): void }): void {
  object.dispose();
  object.free();
}
