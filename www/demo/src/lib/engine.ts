/** The runtime and the layer behind the page: opened when first needed, made anew when the settings ask for another. */

import { WebMoeError, type LayerWeights } from "webmoe";
import { kindOf } from "../routers";
import { batchOf, configOf, keyOf } from "./layer";
import { find, firstLine, open, type Opened } from "./opened";
import { forward, type Made, type Snapshot } from "./pass";
import type { Settings } from "./settings";

/** The layer on show. */
export interface Shown extends Made {
  /** What its weights' first values were made from. */
  weightsKey: string;
  /** Has a router that learns. */
  learns: boolean;
}

export class Engine {
  #opened = new Map<Settings["engine"], Promise<Opened>>();
  #shown: Shown | undefined;
  readonly #onLost: (message: string) => void;

  /** `onLost` hears when the layer on show went with its device; the next pass starts again from the seed. */
  constructor(onLost: (message: string) => void) {
    this.#onLost = onLost;
  }

  /** Runs the layer of the settings, made anew if need be. Steps taken are kept where the weights' shapes stay. */
  show(settings: Settings): Promise<Snapshot> {
    return this.#orOnTheCpu(settings, async () => forward(await this.#layerOf(settings), settings));
  }

  /** One step of gradient descent on the auxiliary losses alone, then the layer with the new weights. */
  train(settings: Settings): Promise<Snapshot> {
    return this.#orOnTheCpu(settings, () => this.#train(settings));
  }

  /** The layer last shown, for those that are to have the same weights. */
  get shown(): Shown | undefined {
    return this.#shown;
  }

  /** Forgets all steps: the next pass has the seed's weights. */
  reset(): void {
    this.#shown?.layer.dispose();
    this.#shown = undefined;
  }

  async #train(settings: Settings): Promise<Snapshot> {
    const made = await this.#layerOf(settings);
    const { x, labels } = batchOf(settings);
    if (made.learns && x.length > 0) {
      await made.layer.forward(x, { train: true, step: made.step, ...labels, read: [] });
      await made.layer.backward(new Float32Array(x.length), { read: [] });
      await made.layer.applyGradients({ kind: "sgd", learningRate: settings.rate });
      made.step += 1;
    }
    return forward(made, settings);
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

  async #layerOf(settings: Settings): Promise<Shown> {
    const config = await configOf(settings);
    const key = keyOf(settings, config);
    const old = this.#shown;
    if (old?.key === key) return old;
    const weightsKey = JSON.stringify([config.dModel, config.experts, config.seed]);
    const learns = kindOf(settings.router.kind).losses.length > 0;
    const opened = await this.#open(settings.engine);
    // The old layer stays until the new one is whole, so that an error leaves the page as it was.
    const layer = await opened.runtime.createLayer(config);
    const goesOn = old?.learns === true && learns && old.weightsKey === weightsKey && old.step > 0;
    if (old && goesOn) await layer.setWeights(common(await old.layer.weights(), await layer.weights()));
    old?.layer.dispose();
    this.#shown = { layer, opened, config, key, weightsKey, learns, step: old && goesOn ? old.step : 0, warm: false };
    return this.#shown;
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
    if (this.#shown?.opened !== opened) return;
    this.#shown = undefined;
    this.#onLost(message);
  }
}

/** Of the first weights, those that the second has in the same size: another kind of router may have others. */
export function common(from: LayerWeights, to: LayerWeights): Partial<LayerWeights> {
  const names = Object.keys(from) as (keyof LayerWeights)[];
  return Object.fromEntries(names.filter((name) => from[name]?.length === to[name]?.length).map((name) => [name, from[name]]));
}

/** Whether an error is the engine's own, whatever it was asked for. */
const isFault = (error: unknown): boolean =>
  error instanceof WebMoeError && ["ENGINE", "INTERNAL"].includes(error.code);
