/** From settings to what the layer is asked for. */

import type { CapacityConfig, LayerConfig } from "webmoe";
import { embed } from "./embed";
import { fit, type Settings } from "./settings";
import { pad, tokenize, type Token } from "./tokenize";

/** Hidden width of an expert, in widths of a token. */
const HIDDEN = 2;

/** Tokens and their vectors. */
export interface Batch {
  tokens: Token[];
  /** `[T, width]` */
  x: Float32Array;
}

/** The tokens of the text, padded to split evenly over the groups, and their vectors. */
export function batchOf(settings: Settings): Batch {
  const tokens = pad(tokenize(settings.text), fit(settings).groups);
  return { tokens, x: embed(tokens, settings.width) };
}

/** The layer of the settings. */
export function configOf(settings: Settings): LayerConfig {
  const { experts, width, scoring, renormalize, balance, z, seed } = settings;
  const { k, devices, groups } = fit(settings);
  return {
    dModel: width,
    dFf: HIDDEN * width,
    experts,
    router: { kind: "topK", k, scoring, renormalize },
    capacity: capacityOf(settings),
    groups,
    mesh: { devices },
    lossWeights: { loadBalance: balance, z },
    seed,
  };
}

function capacityOf({ capacity, factor, per, round, slots, priority, order }: Settings): "dropless" | CapacityConfig {
  switch (capacity) {
    case "dropless":
      return "dropless";
    case "factor":
      return { factor, per, round, priority, order };
    case "slots":
      return { slots, priority, order };
    default:
      return capacity satisfies never;
  }
}

/** How many slots an expert has in each group, and the sum that gives it; `null` without a limit. */
export function slotsOf(settings: Settings, tokens: number): { slots: number; sum: string } | null {
  const { capacity, experts, factor, per, round, slots } = settings;
  if (capacity === "dropless") return null;
  if (capacity === "slots") return { slots, sum: `${slots} (fixed)` };
  const { k, groups } = fit(settings);
  const inGroup = tokens / groups;
  const share = (inGroup / experts) * factor * (per === "assignment" ? k : 1);
  const whole = { ceil: Math.ceil, floor: Math.floor, round: roundTiesEven }[round](share);
  const choices = per === "assignment" ? `${k} × ` : "";
  const [open, close] = { ceil: "⌈⌉", floor: "⌊⌋", round: "[]" }[round];
  return {
    slots: per === "token" ? Math.min(whole, inGroup) : whole,
    sum: `${open}${factor} × ${choices}${inGroup} / ${experts}${close}`,
  };
}

/** As the layer rounds. */
function roundTiesEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}
