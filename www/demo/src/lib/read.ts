/** What the page reads out of a snapshot. */

import type { Snapshot } from "./engine";
import { slotsOf } from "./layer";
import { fit } from "./settings";

/** One choice of a token. */
export interface Choice {
  token: number;
  /** 0 is the first choice. */
  rank: number;
  expert: number;
  /** The gate value used in the output; 0 where dropped. */
  weight: number;
  /** The router's score. */
  score: number;
  kept: boolean;
  /** Place in the expert's buffer, -1 if dropped. */
  position: number;
  /** Where the token lives. */
  from: number;
  /** Where the expert lives. */
  to: number;
}

/** A snapshot's sizes and its choices, one by one. */
export interface Reading {
  tokens: number;
  experts: number;
  k: number;
  devices: number;
  groups: number;
  /** `[T][k]` */
  choices: Choice[][];
  dropped: number;
  /** Tokens that no expert serves. */
  unserved: number;
  /** Largest demand over the mean one; 1 is even. */
  peak: number;
  /** Slots of an expert in each group; `null` without a limit. */
  slots: number | null;
  /** The sum that gives the slots. */
  slotsSum: string;
  deviceOfToken(token: number): number;
  deviceOfExpert(expert: number): number;
}

export function read({ settings, batch, output: { routing, scores } }: Snapshot): Reading {
  const { k, devices, groups } = fit(settings);
  const { experts } = settings;
  const tokens = batch.tokens.length;
  const deviceOfToken = (token: number) => Math.floor(token / (tokens / devices));
  const deviceOfExpert = (expert: number) => Math.floor(expert / (experts / devices));
  const choices = batch.tokens.map((_, token) =>
    Array.from({ length: routing.slots }, (_, rank): Choice => {
      const at = token * routing.slots + rank;
      const expert = routing.experts[at]!;
      return {
        token,
        rank,
        expert,
        weight: routing.weights[at]!,
        score: scores[token * experts + expert]!,
        kept: routing.kept[at] === 1,
        position: routing.positions[at]!,
        from: deviceOfToken(token),
        to: deviceOfExpert(expert),
      };
    }),
  );
  const all = choices.flat();
  const limit = slotsOf(settings, tokens);
  return {
    tokens,
    experts,
    k,
    devices,
    groups,
    choices,
    dropped: all.filter((choice) => !choice.kept).length,
    unserved: choices.filter((own) => !own.some((choice) => choice.kept)).length,
    peak: all.length === 0 ? 1 : Math.max(...routing.demanded) / (all.length / experts),
    slots: limit?.slots ?? null,
    slotsSum: limit?.sum ?? "",
    deviceOfToken,
    deviceOfExpert,
  };
}
