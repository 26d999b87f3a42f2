/** Controls that several routers have. */

import type { Scale, Values, Words } from "./kind";

/** Experts for each token. */
export const choices = (initial: number): Scale => ({
  as: "scale",
  name: "k",
  label: "Experts for each token",
  initial,
  min: 1,
  max: (experts) => Math.max(experts, 1),
  text: (value, most) => `${value} of ${most}`,
  tooMuch: (wish, most) => `A token cannot take ${wish} of ${most} experts; it takes all ${most}.`,
});

/** From logits to scores. */
export const scoring: Words = {
  as: "words",
  name: "scoring",
  label: "Scores",
  initial: "softmax",
  options: [
    { value: "softmax", label: "softmax" },
    { value: "sigmoid", label: "sigmoid" },
  ],
};

/** Whether experts rank all tokens of a group, later ones included, or go by thresholds. */
export const causal: Words = {
  as: "words",
  name: "causal",
  label: "Experts take",
  initial: "ranked",
  options: [
    { value: "ranked", label: "the best of all tokens" },
    { value: "threshold", label: "every token above a threshold" },
  ],
  hint:
    "To know the best of all tokens is to know the later ones, which a model that writes word by word does not. " +
    "A threshold follows the score of the last token that the expert would have taken of earlier passes, so that loads are only about even: " +
    "change the text and see.",
};

/** Whether experts go by thresholds, where they may. */
export const byThresholds = (values: Values): boolean => values.causal === "threshold";

/** "its best one", "its best 2" */
export const best = (k: number): string => `best ${k === 1 ? "one" : k}`;
