import type { ThorRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";
import { choices } from "./shared";

/** Tokens of a sequence, where the text is cut into some. */
const SEQUENCE = 8;

const WHO: Record<string, string> = {
  token: "each token draws",
  sentence: `every ${SEQUENCE} tokens together draw`,
  batch: "all tokens together draw",
};

export const thor: RouterKind = {
  kind: "thor",
  controls: [
    {
      as: "words",
      name: "per",
      label: "A draw is for",
      initial: "token",
      options: [
        { value: "token", label: "a token" },
        { value: "sentence", label: `${SEQUENCE} tokens` },
        { value: "batch", label: "all" },
      ],
      hint: "With one draw for all, a single device has all the work.",
    },
    choices(1),
  ],
  compares: "nothing",
  losses: [],
  still: "Nothing here learns: chance decides.",
  config: (values): ThorRouterConfig => ({ kind: "thor", per: word(values, "per"), k: number(values, "k") }),
  labels: () => ({ sequence: SEQUENCE }),
  tell: (values) => {
    const k = number(values, "k");
    return `${WHO[word(values, "per")]} ${k === 1 ? "an expert" : `${k} experts, whose mean it takes,`} at random`;
  },
};
