import type { BanditRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";
import { vocabularyOf } from "./vocabulary";

const HOW: Record<string, string> = {
  epsilonGreedy: "the expert with the best mean reward so far, and now and then any",
  ucb: "the expert whose mean reward may be the best, as far as it has been tried",
  thompson: "the best of one guess for each expert of what it may be worth",
};

export const bandit: RouterKind = {
  kind: "bandit",
  controls: [
    {
      as: "words",
      name: "policy",
      label: "Explores",
      initial: "thompson",
      options: [
        { value: "epsilonGreedy", label: "now and then" },
        { value: "ucb", label: "what it knows least" },
        { value: "thompson", label: "by guesses" },
      ],
      hint: "ε-greedy, UCB, or Thompson sampling.",
    },
    {
      as: "few",
      name: "exploreShare",
      label: "How often any expert is pulled",
      initial: 0.1,
      values: [0, 0.01, 0.03, 0.1, 0.3, 1],
      shown: (values) => values["policy"] === "epsilonGreedy",
    },
    {
      as: "few",
      name: "exploreWidth",
      label: "Weight of what is not known",
      initial: 1,
      values: [0, 0.1, 0.3, 1, 3],
      shown: (values) => values["policy"] === "ucb",
    },
    {
      as: "few",
      name: "rewardNoise",
      label: "How much rewards are taken to vary",
      initial: 1,
      values: [0.1, 0.3, 1, 3, 10],
      hint: "More makes it slower to believe them.",
      shown: (values) => values["policy"] === "thompson",
    },
  ],
  compares: "nothing",
  losses: [],
  still: "A bandit learns from rewards, and nothing here rewards a token.",
  config: (values, { tokens }): BanditRouterConfig => {
    // An empty text has no words, but a vocabulary must have one.
    const vocabulary = Math.max(vocabularyOf(tokens).words.length, 1);
    const policy = word<"epsilonGreedy" | "ucb" | "thompson">(values, "policy");
    switch (policy) {
      case "epsilonGreedy":
        return { kind: "bandit", vocabulary, policy, epsilon: number(values, "exploreShare") };
      case "ucb":
        return { kind: "bandit", vocabulary, policy, exploration: number(values, "exploreWidth") };
      case "thompson":
        return { kind: "bandit", vocabulary, policy, noiseStd: number(values, "rewardNoise") };
      default:
        return policy satisfies never;
    }
  },
  labels: (_, { tokens }) => ({ tokenIds: vocabularyOf(tokens).ids }),
  tell: (values) => `each token pulls, by what came of its word before, ${HOW[word(values, "policy")]}`,
};
