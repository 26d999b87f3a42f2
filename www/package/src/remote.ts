/** The engine in a dedicated worker. */
import { proxy, transfer, wrap } from "comlink";
import type { BackwardOptions, Counters, GradientUpdate, LayerConfig, LayerWeights, WasmSource } from "./api.js";
import type { EngineForwardOptions, EngineLayer, EngineOptions, EngineRuntime, Lost } from "./engine.js";
import { isA } from "./kinds.js";
import { compile, loadFailed } from "./module.js";
import type { Listener } from "./progress.js";
import { abortable, checkSignal } from "./signals.js";
import { buffersOf, withOwnArrays } from "./transfer.js";
import type { LayerArguments, LayerCall, LayerResult, WorkerHost } from "./worker-host.js";
import { WorkerLink } from "./worker-link.js";

/** Starts a worker and opens a runtime in it; an abort ends the worker. */
export async function openRemote(
  { device, signal }: EngineOptions,
  wasm: WasmSource,
  report: Listener,
  spawn: () => Worker,
): Promise<EngineRuntime> {
  const source = await abortable(sendable(wasm, report), signal, "createRuntime");
  checkSignal(signal, "createRuntime");
  const worker = spawn();
  const link = new WorkerLink(worker);
  // Every method answers with a promise already, so the proxy has the host's own type.
  const host = wrap<WorkerHost>(worker) as unknown as WorkerHost;
  try {
    const opening = link.ask(host.open(device, source, proxy(report)));
    return new RemoteRuntime(link, host, await abortable(opening, signal, "createRuntime"));
  } catch (error) {
    link.terminate();
    throw error;
  }
}

/** An address in full, or the compiled module: what can be sent without taking the caller's bytes away. */
async function sendable(wasm: WasmSource, report: Listener): Promise<string | WebAssembly.Module> {
  if (typeof wasm !== "string" && !isA(wasm, "URL")) return compile(wasm, report);
  try {
    return new Request(wasm).url;
  } catch (error) {
    throw loadFailed("the WebAssembly module has no such address", {}, error);
  }
}

class RemoteRuntime implements EngineRuntime {
  readonly #link: WorkerLink;
  readonly #host: WorkerHost;
  readonly device: "webgpu" | "cpu";
  readonly adapter: string;
  readonly lost: Promise<Lost>;

  constructor(link: WorkerLink, host: WorkerHost, opened: { device: "webgpu" | "cpu"; adapter: string }) {
    this.#link = link;
    this.#host = host;
    this.device = opened.device;
    this.adapter = opened.adapter;
    this.lost = link.ask(host.lost()).catch((error: Error) => ({ reason: "unknown", message: error.message }));
  }

  async createLayer(config: LayerConfig): Promise<EngineLayer> {
    const layer = await this.#link.ask(this.#host.createLayer(config));
    return new RemoteLayer(this.#link, this.#host, layer);
  }

  counters() {
    return this.#link.ask(this.#host.counters());
  }

  async release(): Promise<Counters> {
    try {
      return await this.#link.ask(this.#host.release());
    } finally {
      this.#link.terminate();
    }
  }
}

class RemoteLayer implements EngineLayer {
  readonly #link: WorkerLink;
  readonly #host: WorkerHost;
  readonly #id: number;
  readonly config: LayerConfig;

  constructor(link: WorkerLink, host: WorkerHost, layer: { id: number; config: LayerConfig }) {
    this.#link = link;
    this.#host = host;
    this.#id = layer.id;
    this.config = layer.config;
  }

  weights() {
    return this.#call("weights", []);
  }

  setWeights(weights: Partial<LayerWeights>) {
    return this.#call("setWeights", [weights]);
  }

  forward(x: Float32Array, options: EngineForwardOptions) {
    return this.#call("forward", [x, options]);
  }

  backward(dOutput: Float32Array, options: BackwardOptions) {
    return this.#call("backward", [dOutput, options]);
  }

  taskNetwork(task: number) {
    return this.#call("taskNetwork", [task]);
  }

  applyGradients(update: GradientUpdate) {
    return this.#call("applyGradients", [update]);
  }

  release(): void {
    // After a failed worker there is nothing left to free.
    this.#link.ask(this.#host.releaseLayer(this.#id)).catch(() => undefined);
  }

  #call<C extends LayerCall>(call: C, args: LayerArguments<C>): Promise<LayerResult<C>> {
    const own = withOwnArrays(args);
    return this.#link.ask(this.#host.callLayer(this.#id, call, transfer(own, buffersOf(own))));
  }
}
