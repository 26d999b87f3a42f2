/** What the page reads out of a snapshot. */

import { kindOf } from "../routers";
import { comparing, type Compares, type RouterKind, type Values } from "../routers/kind";
import type { Snapshot } from "./pass";
import { slotsOf } from "./layer";
import { fit } from "./settings";

/** One choice of a token, whoever made it. */
export interface Choice {
  token: number;
  /** 0 is the first of the token's choices. */
  rank: number;
  expert: number;
  /** The gate value used in the output; 0 where dropped. */
  weight: number;
  kept: boolean;
  /** Place in the expert's buffer, -1 if dropped, or if there are mixtures in it. */
  position: number;
  /** Where the token lives. */
  from: number;
  /** Where the expert lives. */
  to: number;
}

/** A snapshot's sizes and its choices, one by one. */
export interface Reading {
  router: RouterKind;
  /** The router's settings. */
  values: Values;
  /** What it compares a score with. */
  compares: Compares;
  tokens: number;
  experts: number;
  devices: number;
  groups: number;
  /** Of each token, as many as it has. */
  choices: Choice[][];
  /** The router's score of a pair, the mean over slots that have one each; `null` where nothing is scored. */
  score(token: number, expert: number): number | null;
  /** The largest score; 0 where there is none. */
  topScore: number;
  /** All choices, dropped ones included. */
  made: number;
  dropped: number;
  /** Tokens that no expert serves. */
  unserved: number;
  /** How many tokens are served by no expert, by one, by two, and so on. */
  histogram: number[];
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
  const { values, devices, groups } = fit(settings);
  const { experts } = settings;
  const router = kindOf(settings.router.kind);
  const tokens = batch.tokens.length;
  const deviceOfToken = (token: number) => Math.floor(token / (tokens / devices));
  const deviceOfExpert = (expert: number) => Math.floor(expert / (experts / devices));
  const choices = batch.tokens.map((_, token) => {
    const own: Choice[] = [];
    for (let at = token * routing.slots; at < (token + 1) * routing.slots; at++) {
      const expert = routing.experts[at]!;
      if (expert < 0) continue;
      own.push({
        token,
        rank: own.length,
        expert,
        weight: routing.weights[at]!,
        kept: routing.kept[at] === 1,
        position: routing.positions[at]!,
        from: deviceOfToken(token),
        to: deviceOfExpert(expert),
      });
    }
    return own;
  });
  // scores of an expert for each token
  const scored = router.mixes ? scores.length / (tokens * experts) : 1;
  const all = choices.flat();
  const limit = slotsOf(settings, tokens, routing.slots);
  const served = choices.map((own) => own.filter((choice) => choice.kept).length);
  return {
    router,
    values,
    compares: comparing(router, values),
    tokens,
    experts,
    devices,
    groups,
    choices,
    score: (token, expert) => mean(scores.subarray((token * scores.length) / tokens + expert * scored).subarray(0, scored)),
    topScore: scores.reduce((most, score) => Math.max(most, score), 0),
    made: all.length,
    dropped: all.filter((choice) => !choice.kept).length,
    unserved: served.filter((n) => n === 0).length,
    histogram: Array.from({ length: Math.max(0, ...served) + 1 }, (_, n) => served.filter((own) => own === n).length),
    peak: all.length === 0 ? 1 : Math.max(...routing.demanded) / (all.length / experts),
    slots: limit?.slots ?? null,
    slotsSum: limit?.sum ?? "",
    deviceOfToken,
    deviceOfExpert,
  };
}

const mean = (values: Float32Array): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Slots of an expert over all groups; `null` where they do not limit its tokens. */
export const capacityOf = ({ router, slots, groups }: Reading): number | null =>
  slots === null || router.mixes ? null : slots * groups;

/** Rows that move to an expert and back, of each device, where these are mixtures; `null` where they are tokens. */
export const mixturesOf = ({ router, slots, groups, experts, devices }: Reading): number | null =>
  router.mixes ? ((slots ?? 0) * groups * experts) / devices : null;
