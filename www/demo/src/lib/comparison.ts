/** Several routers on the same tokens, with the same weights, on the runtime of the layer on show. */

import type { LayerConfig } from "webmoe";
import { kindOf, type RouterChoice } from "../routers";
import { common, type Engine, type Shown } from "./engine";
import { configOf, keyOf } from "./layer";
import { words, type Opened } from "./opened";
import { forward, type Made, type Snapshot } from "./pass";
import type { Settings } from "./settings";

/** One router of the comparison. */
export interface Compared {
  router: RouterChoice;
  /** What it did; `null` where it could not run. */
  snapshot: Snapshot | null;
  /** Why not. */
  problem: string | null;
  /** Of passes that read nothing back; `null` until they are measured. */
  times: Times | null;
}

/** Milliseconds, medians. */
export interface Times {
  /** A forward pass that ends before the experts. */
  routing: number;
  /** A whole one. */
  pass: number;
}

/** The routers are timed in turns, so that whatever else the machine does falls on all alike. */
export const TURNS = 7;
/** A turn has as many passes as take this long: a browser's clock is too coarse for a single short one. */
const TURN_MS = 5;

interface Beside extends Made {
  /** Has a router that learns. */
  learns: boolean;
  /** Whose weights it has, and from which step; `null`: the seed's. */
  like: { model: Made; step: number } | null;
}

export class Comparison {
  readonly #engine: Engine;
  #made = new Map<string, Beside>();
  /** Whether the layer on show learns, and so gives its weights to the others. */
  #given: boolean | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The layer of the settings once for each router to be compared. Needs a layer on show. */
  async run(settings: Settings): Promise<Compared[]> {
    const layers = await this.#layersOf(settings);
    const compared: Compared[] = [];
    for (const { router, made, problem } of layers) {
      const own = { ...settings, router };
      const result = made && (await forward(made, own).catch(words));
      const failed = typeof result === "string" ? result : problem;
      compared.push({ router, snapshot: typeof result === "string" ? null : (result ?? null), problem: failed, times: null });
    }
    return compared;
  }

  /** The same with the times, or `null` where `interrupted` says that there is something better to do. */
  async time(compared: readonly Compared[], interrupted: () => boolean): Promise<Compared[] | null> {
    const times = compared.map((): { routing: number[]; pass: number[] } => ({ routing: [], pass: [] }));
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [i, { snapshot }] of compared.entries()) {
        const made = snapshot && this.#made.get(snapshot.key);
        if (!made) continue;
        for (const routeOnly of [true, false]) {
          if (interrupted()) return null;
          times[i]![routeOnly ? "routing" : "pass"].push(await this.#turn(made, snapshot, routeOnly));
        }
      }
    }
    return compared.map((one, i) => {
      const [routing, pass] = [median(times[i]!.routing), median(times[i]!.pass)];
      return { ...one, times: routing === null || pass === null ? null : { routing, pass } };
    });
  }

  /** Milliseconds of a forward pass, of as many as a turn has. */
  async #turn({ layer }: Beside, { batch: { x, labels }, step }: Snapshot, routeOnly: boolean): Promise<number> {
    const start = performance.now();
    let [passes, took] = [0, 0];
    while (took < TURN_MS) {
      await layer.forward(x, { train: true, step, ...labels, routeOnly, read: [] });
      passes += 1;
      took = performance.now() - start;
    }
    return took / passes;
  }

  /** Frees every layer. */
  close(): void {
    for (const { layer } of this.#made.values()) layer.dispose();
    this.#made.clear();
  }

  async #layersOf(settings: Settings): Promise<{ router: RouterChoice; made: Beside | null; problem: string | null }[]> {
    const { shown } = this.#engine;
    if (!shown) return [];
    const { opened, learns } = shown;
    // Without weights given, all must begin at the seed's again.
    if (this.#given !== learns) this.close();
    this.#given = learns;
    const wanted = await Promise.all(settings.compare.map((router) => describe({ ...settings, router })));
    for (const [key, made] of this.#made) {
      if (made.opened === opened && wanted.some((one) => one.key === key)) continue;
      made.layer.dispose();
      this.#made.delete(key);
    }
    const layers = [];
    for (const { router, config, key, problem } of wanted) {
      if (config === null) {
        layers.push({ router, made: null, problem });
        continue;
      }
      try {
        const made = this.#made.get(key) ?? (await make(config, kindOf(router.kind).losses.length > 0, opened, key));
        this.#made.set(key, made);
        layers.push({ router, made, problem: null });
      } catch (error) {
        layers.push({ router, made: null, problem: words(error) });
      }
    }
    for (const { made } of layers) if (made) made.step = shown.step;
    await this.#share(shown, layers.flatMap(({ made }) => made ?? []));
    return layers;
  }

  /** Gives all layers the weights of the one on show, or of the first that learns where that one does not. */
  async #share(shown: Shown, layers: Beside[]): Promise<void> {
    const model = shown.learns ? shown : layers.find(({ learns }) => learns);
    if (!model) return;
    const { step } = shown;
    const others = layers.filter((made) => made !== model && !(made.like?.model === model && made.like.step === step));
    if (others.length === 0) return;
    const weights = await model.layer.weights();
    for (const made of others) {
      await made.layer.setWeights(common(weights, await made.layer.weights()));
      made.like = { model, step };
    }
  }
}

/** The layer that a router needs, or why there is none. */
type Described = { router: RouterChoice } & ({ config: LayerConfig; key: string; problem: null } | { config: null; key: null; problem: string });

async function describe(settings: Settings): Promise<Described> {
  const { router } = settings;
  try {
    const config = await configOf(settings);
    return { router, config, key: keyOf(settings, config), problem: null };
  } catch (error) {
    return { router, config: null, key: null, problem: words(error) };
  }
}

async function make(config: LayerConfig, learns: boolean, opened: Opened, key: string): Promise<Beside> {
  const layer = await opened.runtime.createLayer(config);
  return { layer, opened, config, key, warm: false, step: 0, learns, like: null };
}

function median(times: number[]): number | null {
  if (times.length === 0) return null;
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}
