/** Entry of the dedicated worker behind `createRuntime({ worker: true })`. */
import { expose, transfer } from "comlink";
import type { LayerConfig } from "./api.js";
import type { EngineLayer, EngineRuntime } from "./engine.js";
import { toPlainError } from "./errors.js";
import { openLocal } from "./local.js";
import type { Listener } from "./progress.js";
import { buffersOf } from "./transfer.js";
import type { LayerArguments, LayerCall, LayerResult, WorkerHost } from "./worker-host.js";

class Host implements WorkerHost {
  #runtime: EngineRuntime | undefined;
  readonly #layers = new Map<number, EngineLayer>();
  #lastId = 0;

  async open(...[device, wasm, report]: Parameters<WorkerHost["open"]>) {
    let told: unknown;
    const tell: Listener = (step) => {
      told = report(step);
    };
    try {
      this.#runtime = await openLocal({ device }, wasm, tell);
    } catch (error) {
      throw toPlainError(error);
    }
    // Reports go another way than this answer: the last one is to come first.
    await told;
    return { device: this.#runtime.device, adapter: this.#runtime.adapter };
  }

  lost() {
    return this.#opened.lost;
  }

  counters() {
    return this.#opened.counters();
  }

  async createLayer(config: LayerConfig) {
    const layer = await this.#opened.createLayer(config);
    const id = ++this.#lastId;
    this.#layers.set(id, layer);
    return { id, config: layer.config };
  }

  async callLayer<C extends LayerCall>(id: number, call: C, args: LayerArguments<C>): Promise<LayerResult<C>> {
    const layer = this.#layers.get(id);
    const run = layer?.[call] as (...args: LayerArguments<C>) => Promise<LayerResult<C>>;
    const result = await run.apply(layer, args);
    return result && transfer(result, buffersOf(result));
  }

  async releaseLayer(id: number) {
    this.#layers.get(id)?.release();
    this.#layers.delete(id);
  }

  release() {
    return this.#opened.release();
  }

  get #opened(): EngineRuntime {
    if (!this.#runtime) throw new Error("no runtime was opened in this worker");
    return this.#runtime;
  }
}

expose(new Host());
