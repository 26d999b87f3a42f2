/** Settings worth a look. Each starts from the defaults and keeps the visitor's text and seed. */

import { routerOf } from "../routers";
import type { Settings } from "./settings";

export interface Prompt {
  /** What happens, as the visitor reads it. */
  phrase: string;
  change: Partial<Settings>;
}

export const PROMPTS: readonly Prompt[] = [
  { phrase: "squeeze the capacity to 0.5", change: { capacity: "factor", factor: 0.5 } },
  { phrase: "lift the limit and keep every choice", change: { capacity: "dropless" } },
  { phrase: "let the surest tokens go first", change: { factor: 0.5, priority: "batch" } },
  { phrase: "route as Switch does, to one expert", change: { router: routerOf("topK", { k: 1 }), per: "token", round: "floor" } },
  { phrase: "turn the balance loss around, press play and watch the loads collapse", change: { router: routerOf("topK", { k: 1 }), capacity: "dropless", devices: 1, balance: -1, rate: 0.02 } },
  { phrase: "let each expert take its best tokens", change: { router: routerOf("expertChoice") } },
  { phrase: "look the experts up in a table", change: { router: routerOf("hash") } },
  { phrase: "see four ways to choose side by side", change: { compare: [routerOf("topK"), routerOf("expertChoice"), routerOf("sinkhorn"), routerOf("hash")] } },
  { phrase: "spread 64 experts over 64 devices", change: { experts: 64, devices: 64 } },
  { phrase: "choose by sigmoid, as DeepSeek-V3 does", change: { router: routerOf("topK", { scoring: "sigmoid", renormalize: "preDrop", k: 3 }) } },
];
