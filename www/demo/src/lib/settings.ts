/** What a visitor can set, and how settings that do not fit each other are made to fit. */

import { fitRouter, kindOf, nearest, routerOf, type RouterChoice } from "../routers";
import type { Values } from "../routers/kind";
import { listed } from "./format";

/** Choices of one setting: its value and how the page names it. */
export type Options<T extends string> = readonly { value: T; label: string }[];

export const ENGINES = [
  { value: "webgpu", label: "WebGPU" },
  { value: "auto", label: "faster one" },
  { value: "cpu", label: "CPU" },
] as const satisfies Options<string>;

export const CAPACITIES = [
  { value: "dropless", label: "no limit" },
  { value: "factor", label: "factor" },
  { value: "slots", label: "fixed" },
] as const satisfies Options<string>;

export const PER = [
  { value: "assignment", label: "per assignment" },
  { value: "token", label: "per token" },
] as const satisfies Options<string>;

export const ROUNDINGS = [
  { value: "ceil", label: "up" },
  { value: "round", label: "nearest" },
  { value: "floor", label: "down" },
] as const satisfies Options<string>;

export const PRIORITIES = [
  { value: "arrival", label: "first come" },
  { value: "batch", label: "surest tokens" },
  { value: "weight", label: "largest weights" },
  { value: "random", label: "random" },
] as const satisfies Options<string>;

export const ORDERS = [
  { value: "rank", label: "first choices first" },
  { value: "token", label: "token by token" },
] as const satisfies Options<string>;

/** More routers than this are not compared: nobody could follow. */
export const MOST_COMPARED = 4;

/** Widths of a token that the page offers. */
export const WIDTHS = [16, 32, 64, 128, 256] as const;

type Value<T extends Options<string>> = T[number]["value"];

export interface Settings {
  text: string;
  /** Of the layer's first weights. */
  seed: number;
  engine: Value<typeof ENGINES>;
  experts: number;
  router: RouterChoice;
  capacity: Value<typeof CAPACITIES>;
  factor: number;
  per: Value<typeof PER>;
  round: Value<typeof ROUNDINGS>;
  /** Of each expert and group, with `capacity: "slots"`. */
  slots: number;
  priority: Value<typeof PRIORITIES>;
  order: Value<typeof ORDERS>;
  devices: number;
  /** Routing groups on each device. */
  groups: number;
  /** Width of a token. */
  width: number;
  /** Weight of the balance loss in a step; below 0 the step undoes the balance. */
  balance: number;
  /** Weight of the z-loss in a step. */
  z: number;
  /** Learning rate of a step. */
  rate: number;
  /** Routers side by side, at most {@link MOST_COMPARED}; none: the comparison is closed. */
  compare: readonly RouterChoice[];
}

export const DEFAULTS: Settings = {
  text:
    "A router reads every token, scores the experts and sends the token to the best two. " +
    "An expert with no room left turns tokens away, and those pass by unchanged.",
  seed: 7,
  engine: "webgpu",
  experts: 8,
  router: routerOf("topK"),
  capacity: "factor",
  factor: 1.25,
  per: "assignment",
  round: "ceil",
  slots: 4,
  priority: "arrival",
  order: "rank",
  devices: 4,
  groups: 1,
  width: 32,
  balance: 1,
  z: 0.001,
  rate: 0.01,
  compare: [],
};

/** Settings that fit each other. */
export interface Fitted {
  /** The router's settings. */
  values: Values;
  devices: number;
  /** Routing groups over all devices. */
  groups: number;
  /** Tokens must split evenly into so many parts: the groups, or the devices where these share one. */
  parts: number;
  /** What had to give way, in sentences. */
  notes: string[];
}

/** Devices over which `experts` split evenly, at most 64. */
export function divisors(experts: number): number[] {
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((n) => experts % n === 0);
}

/**
 * Makes the router and the devices fit the experts. The wish is kept in the settings, so that dragging the number of experts
 * through one that does not divide loses nothing.
 */
export function fit({ experts, router, devices: wished, groups: each }: Settings): Fitted {
  const { values, notes } = fitRouter(router, experts);
  const possible = divisors(experts);
  const devices = wished > 64 || wished < 1 ? wished : (nearest(possible, wished) ?? 1);
  if (devices !== wished) {
    notes.push(
      `${experts} experts do not split evenly over ${wished} devices, so ${devices} ${devices === 1 ? "is" : "are"} used; ` +
        `they do over ${listed(possible, "or")}.`,
    );
  }
  if (!kindOf(router.kind).handshake?.(values)) return { values, devices, groups: devices * each, parts: devices * each, notes };
  if (each > 1) notes.push(`Experts that choose among the tokens of all devices see one group, and not ${each} on each device.`);
  return { values, devices, groups: 1, parts: devices, notes };
}
