/** The runtime and the layer behind the page: opened when first needed, made anew when the settings ask for another. */

import { capabilities, createRuntime, WebMoeError, type LayerOutput, type MoeLayer, type Runtime } from "webmoe";
import { batchOf, configOf, type Batch } from "./layer";
import type { Settings } from "./settings";

/** Where the layer runs, and why there. */
export interface Place {
  device: "webgpu" | "cpu";
  adapter: string;
  /** Why not on WebGPU where that was asked for. */
  reason?: string;
}

/** Everything that one forward pass shows. */
export interface Snapshot {
  settings: Settings;
  batch: Batch;
  output: LayerOutput & { scores: Float32Array };
  place: Place;
  /** Kernels run by this forward. */
  dispatches: number;
  /** Of this forward, reading back included. */
  milliseconds: number;
  /** Steps of training since the seed's weights. */
  step: number;
}

/** The engine could not be opened at all: nothing can be shown. */
export class EngineUnavailable extends Error {}

interface Opened {
  runtime: Runtime;
  place: Place;
}

interface Made {
  layer: MoeLayer;
  opened: Opened;
  /** What the layer was made from. */
  key: string;
  /** What its weights' shapes and first values were made from. */
  weightsKey: string;
  /** Has run: its kernels are compiled. */
  warm: boolean;
}

export class Engine {
  #opened = new Map<Settings["engine"], Promise<Opened>>();
  #made: Made | undefined;
  #step = 0;
  readonly #onLost: (message: string) => void;

  /** `onLost` hears when the layer on show went with its device; the next pass starts again from the seed. */
  constructor(onLost: (message: string) => void) {
    this.#onLost = onLost;
  }

  /** Runs the layer of the settings, made anew if need be. Steps taken are kept where the weights' shapes stay. */
  show(settings: Settings): Promise<Snapshot> {
    return this.#orOnTheCpu(settings, async () => this.#forward(await this.#layerOf(settings), settings));
  }

  /** One step of gradient descent on the auxiliary losses alone, then the layer with the new weights. */
  train(settings: Settings): Promise<Snapshot> {
    return this.#orOnTheCpu(settings, () => this.#train(settings));
  }

  /** Forgets all steps: the next pass has the seed's weights. */
  reset(): void {
    this.#made?.layer.dispose();
    this.#made = undefined;
    this.#step = 0;
  }

  async #train(settings: Settings): Promise<Snapshot> {
    const made = await this.#layerOf(settings);
    const { x } = batchOf(settings);
    if (x.length > 0) {
      await made.layer.forward(x, { train: true, step: this.#step, read: [] });
      await made.layer.backward(new Float32Array(x.length), { read: [] });
      await made.layer.applyGradients({ kind: "sgd", learningRate: settings.rate });
      this.#step += 1;
    }
    return this.#forward(made, settings);
  }

  /** A GPU that fails at its work, and not at what it was asked for, hands over to the CPU for good. */
  async #orOnTheCpu(settings: Settings, run: () => Promise<Snapshot>): Promise<Snapshot> {
    try {
      return await run();
    } catch (error) {
      const opened = await this.#opened.get(settings.engine)?.catch(() => undefined);
      if (opened?.place.device !== "webgpu" || !isFault(error)) throw error;
      this.reset();
      this.#opened.set(settings.engine, open("cpu", firstLine(error)));
      opened.runtime.dispose();
      return run();
    }
  }

  async #forward(made: Made, settings: Settings): Promise<Snapshot> {
    const { layer, opened: { runtime, place } } = made;
    const batch = batchOf(settings);
    // The first pass compiles the kernels; its time would say nothing about those to come.
    if (!made.warm) await layer.forward(batch.x, { train: true, step: this.#step, read: [] });
    made.warm = true;
    const before = await runtime.counters();
    const start = performance.now();
    const output = await layer.forward(batch.x, {
      train: true,
      step: this.#step,
      read: ["output", "routing", "losses", "traffic", "scores"],
    });
    const milliseconds = performance.now() - start;
    const after = await runtime.counters();
    return {
      settings,
      batch,
      output: { ...output, scores: output.scores ?? new Float32Array() },
      place,
      dispatches: after.dispatches - before.dispatches,
      milliseconds,
      step: this.#step,
    };
  }

  async #layerOf(settings: Settings): Promise<Made> {
    const config = configOf(settings);
    const key = JSON.stringify([settings.engine, config]);
    const old = this.#made;
    if (old?.key === key) return old;
    const weightsKey = JSON.stringify([config.dModel, config.experts, config.seed]);
    const opened = await this.#open(settings.engine);
    // The old layer stays until the new one is whole, so that an error leaves the page as it was.
    const layer = await opened.runtime.createLayer(config);
    if (old && old.weightsKey === weightsKey && this.#step > 0) await layer.setWeights(await old.layer.weights());
    else this.#step = 0;
    old?.layer.dispose();
    this.#made = { layer, opened, key, weightsKey, warm: false };
    return this.#made;
  }

  #open(engine: Settings["engine"]): Promise<Opened> {
    const known = this.#opened.get(engine);
    if (known) return known;
    const opening = find(engine);
    this.#opened.set(engine, opening);
    const forget = () => this.#opened.delete(engine);
    opening.then((opened) => opened.runtime.lost.then(({ message }) => this.#lose(opened, forget, message)), forget);
    return opening;
  }

  #lose(opened: Opened, forget: () => void, message: string): void {
    forget();
    if (this.#made?.opened !== opened) return;
    this.#made = undefined;
    this.#step = 0;
    this.#onLost(message);
  }
}

/** Opens the engine asked for, or the CPU where there is no WebGPU. */
async function find(engine: Settings["engine"]): Promise<Opened> {
  if (engine !== "webgpu") return open(engine);
  const { webgpu, reason = "this browser offers no adapter" } = await capabilities();
  if (!webgpu) return open("cpu", reason);
  return open("webgpu").catch((error: unknown) => open("cpu", firstLine(error)));
}

async function open(device: Settings["engine"], reason?: string): Promise<Opened> {
  try {
    const runtime = await createRuntime({ device });
    return { runtime, place: { device: runtime.device, adapter: runtime.adapter, ...(reason !== undefined && { reason }) } };
  } catch (error) {
    throw device === "webgpu" ? error : new EngineUnavailable(words(error), { cause: error });
  }
}

/** Whether an error is the engine's own, whatever it was asked for. */
const isFault = (error: unknown): boolean =>
  error instanceof WebMoeError && ["ENGINE", "INTERNAL"].includes(error.code);

/** An error's message. */
export const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const firstLine = (error: unknown): string => words(error).split("\n", 1)[0]!;
