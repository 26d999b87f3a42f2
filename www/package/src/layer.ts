import type { BackwardOptions, ForwardOptions, GradientUpdate, LayerConfig, LayerWeights, MoeLayer } from "./api.js";
import { checkBackwardOptions, checkFloats, checkForwardOptions } from "./arguments.js";
import { CallQueue } from "./call-queue.js";
import type { EngineLayer } from "./engine.js";
import { abortable, checkSignal } from "./signals.js";
import { addDispose } from "./using.js";

/** The public layer, over an engine's. */
export class Layer implements MoeLayer {
  readonly #engine: EngineLayer;
  readonly #calls = new CallQueue("layer");
  readonly #onReleased: () => void;
  declare [Symbol.dispose]: () => void;

  /** @param onReleased called once, when the engine's layer is freed */
  constructor(engine: EngineLayer, onReleased: () => void) {
    this.#engine = engine;
    this.#onReleased = onReleased;
    addDispose(this);
  }

  get config(): LayerConfig {
    return this.#engine.config;
  }

  weights() {
    return this.#calls.run(() => this.#engine.weights());
  }

  setWeights(weights: Partial<LayerWeights>) {
    return this.#calls.run(() => this.#engine.setWeights(weights));
  }

  async forward(x: Float32Array, options: ForwardOptions = {}) {
    checkFloats("x", x);
    checkForwardOptions(options);
    const { signal, ...engineOptions } = options;
    checkSignal(signal, "forward");
    const output = this.#calls.run(() => {
      checkSignal(signal, "forward");
      return this.#engine.forward(x, engineOptions);
    });
    return abortable(output, signal, "forward");
  }

  async backward(dOutput: Float32Array, options: BackwardOptions = {}) {
    checkFloats("dOutput", dOutput);
    checkBackwardOptions(options);
    return this.#calls.run(() => this.#engine.backward(dOutput, options));
  }

  taskNetwork(task: number) {
    return this.#calls.run(() => this.#engine.taskNetwork(task));
  }

  applyGradients(update: GradientUpdate) {
    return this.#calls.run(() => this.#engine.applyGradients(update));
  }

  dispose(): void {
    this.#calls.close(() => {
      this.#engine.release();
      this.#onReleased();
    });
  }
}
