/** Controls that several routers have. */

import type { Scale, Words } from "./kind";

/** Experts for each token. */
export const choices = (initial: number): Scale => ({
  as: "scale",
  name: "k",
  label: "Experts for each token",
  initial,
  min: 1,
  max: (experts) => Math.max(experts, 1),
  text: (value, experts) => `${value} of ${experts}`,
  tooMuch: (wish, experts) => `A token cannot take ${wish} of ${experts} experts; it takes all ${experts}.`,
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

/** "its best one", "its best 2" */
export const best = (k: number): string => `best ${k === 1 ? "one" : k}`;
