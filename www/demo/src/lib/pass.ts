/** A layer made from settings, and a forward pass of it. */

import type { LayerConfig, LayerOutput, MoeLayer } from "webmoe";
import { batchOf, type Batch } from "./layer";
import type { Opened, Place } from "./opened";
import type { Settings } from "./settings";

/** Everything that one forward pass shows. */
export interface Snapshot {
  settings: Settings;
  /** The layer's description. */
  config: LayerConfig;
  /** What tells the layer apart from others. */
  key: string;
  batch: Batch;
  /** Scores are empty where the router has none. */
  output: LayerOutput & { scores: Float32Array };
  place: Place;
  /** Kernels run by this forward. */
  dispatches: number;
  /** Of this forward, reading back included. */
  milliseconds: number;
  /** Steps of training since the seed's weights. */
  step: number;
}

export interface Made {
  layer: MoeLayer;
  opened: Opened;
  /** What the layer was made from. */
  config: LayerConfig;
  /** What tells it apart from others. */
  key: string;
  /** Steps of training behind its weights; counts the random numbers too. */
  step: number;
  /** Has run: its kernels are compiled. */
  warm: boolean;
}

/** A forward pass as in training, all of it read back. */
export async function forward(made: Made, settings: Settings): Promise<Snapshot> {
  const { layer, config, key, step, opened: { runtime, place } } = made;
  const batch = batchOf(settings);
  const options = { train: true, step, ...batch.labels };
  // The first pass compiles the kernels; its time would say nothing about those to come.
  if (!made.warm) await layer.forward(batch.x, { ...options, read: [] });
  made.warm = true;
  const before = await runtime.counters();
  const start = performance.now();
  const output = await layer.forward(batch.x, { ...options, read: ["output", "routing", "losses", "traffic", "scores"] });
  const milliseconds = performance.now() - start;
  const after = await runtime.counters();
  return {
    settings,
    config,
    key,
    batch,
    output: { ...output, scores: output.scores ?? new Float32Array() },
    place,
    dispatches: after.dispatches - before.dispatches,
    milliseconds,
    step,
  };
}
