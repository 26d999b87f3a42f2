import type { Counters, LayerConfig, MoeLayer, Runtime as PublicRuntime } from "./api.js";
import { CallQueue } from "./call-queue.js";
import type { EngineLayer, EngineRuntime, Lost } from "./engine.js";
import { Layer } from "./layer.js";
import { addDispose } from "./using.js";

/** The public runtime, over an engine's. */
export class Runtime implements PublicRuntime {
  readonly #engine: EngineRuntime;
  readonly #calls = new CallQueue("runtime");
  readonly #layers = new Set<Layer>();
  /** The counters after `dispose()`. */
  #last: Promise<Counters> | undefined;
  readonly lost: Promise<Lost>;
  #tellLost!: (lost: Lost) => void;
  declare [Symbol.dispose]: () => void;

  constructor(engine: EngineRuntime) {
    this.#engine = engine;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    engine.lost.then(this.#tellLost);
    addDispose(this);
  }

  get device(): "webgpu" | "cpu" {
    return this.#engine.device;
  }

  get adapter(): string {
    return this.#engine.adapter;
  }

  createLayer(config: LayerConfig): Promise<MoeLayer> {
    return this.#calls.run(async () => this.#adopt(await this.#engine.createLayer(config)));
  }

  async counters(): Promise<Counters> {
    return this.#last ?? this.#calls.run(() => this.#engine.counters());
  }

  dispose(): void {
    if (this.#last) return;
    this.#last = new Promise((resolve) => {
      this.#calls.close(() => resolve(this.#engine.release()));
    });
    // Whoever asks for the counters hears of a failure.
    this.#last.catch(() => undefined);
    for (const layer of this.#layers) layer.dispose();
    this.#tellLost({ reason: "destroyed", message: "the runtime was disposed of" });
  }

  /** Ties the life of a layer to the runtime's. */
  #adopt(engine: EngineLayer): Layer {
    const letGo = this.#calls.hold();
    const layer = new Layer(engine, () => {
      this.#layers.delete(layer);
      letGo();
    });
    this.#layers.add(layer);
    try {
      this.#calls.assertOpen();
    } catch (disposed) {
      layer.dispose();
      throw disposed;
    }
    return layer;
  }
}
