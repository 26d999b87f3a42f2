/** From settings to what the layer is asked for. */

import type { CapacityConfig, LayerConfig } from "webmoe";
import { kindOf } from "../routers";
import type { Labels, Slots } from "../routers/kind";
import { embed } from "./embed";
import { fit, type Settings } from "./settings";
import { pad, tokenize, type Token } from "./tokenize";

/** Hidden width of an expert, in widths of a token. */
const HIDDEN = 2;

/** Tokens, their vectors, and what the router is told of them. */
export interface Batch {
  tokens: Token[];
  /** `[T, width]` */
  x: Float32Array;
  labels: Labels;
}

/** The tokens of the text, padded to split evenly. */
const tokensOf = (settings: Settings): Token[] => pad(tokenize(settings.text), fit(settings).parts);

/** What the layer of the settings is run on. */
export function batchOf(settings: Settings): Batch {
  const tokens = tokensOf(settings);
  const labels = kindOf(settings.router.kind).labels?.(fit(settings).values, { tokens, experts: settings.experts });
  return { tokens, x: embed(tokens, settings.width), labels: labels ?? {} };
}

/** The layer of the settings. A router may depend on the text, by tables that the package makes. */
export async function configOf(settings: Settings): Promise<LayerConfig> {
  const { experts, width, seed, balance, z } = settings;
  const { values, devices, groups } = fit(settings);
  const router = kindOf(settings.router.kind);
  const weights = { loadBalance: balance, z };
  return {
    dModel: width,
    dFf: HIDDEN * width,
    experts,
    router: await router.config(values, { tokens: tokensOf(settings), experts }),
    // Experts that fill their own slots have no other capacity.
    capacity: router.slots ? "dropless" : capacityOf(settings),
    groups,
    mesh: { devices },
    lossWeights: Object.fromEntries(router.losses.map((loss) => [loss, weights[loss]])),
    seed,
  };
}

/** Tells layers apart, of any engine. */
export const keyOf = ({ engine }: Settings, config: LayerConfig): string => JSON.stringify([engine, config]);

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

/** How many slots an expert has in each group, and the sum that gives it; `null` without a limit. `k`: choices of a token. */
export function slotsOf(settings: Settings, tokens: number, k: number): Slots | null {
  const { router, capacity, experts, factor, per, round, slots } = settings;
  const { values, groups } = fit(settings);
  const inGroup = tokens / groups;
  const { slots: own } = kindOf(router.kind);
  if (own) return own(values, inGroup, experts);
  if (capacity === "dropless") return null;
  if (capacity === "slots") return { slots, sum: `${slots} (fixed)` };
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
