import type { DomainRouterConfig } from "webmoe";
import { word, type RouterKind } from "./kind";
import { sentenceOf } from "./sentences";

export const domain: RouterKind = {
  kind: "domain",
  controls: [
    {
      as: "words",
      name: "domains",
      label: "Experts work",
      initial: "alone",
      options: [
        { value: "alone", label: "one for each sentence" },
        { value: "mixed", label: "all, mixed" },
      ],
      hint: "Here each sentence is a domain of its own. Mixed: every expert works for every token, all with the same weight.",
    },
  ],
  compares: "nothing",
  losses: [],
  still: "Nothing here learns: the text says which expert.",
  // A visitor's sentences lie where they lie, so tokens may have to travel.
  config: (values, { experts }): DomainRouterConfig => ({
    kind: "domain",
    exchange: "all2all",
    ...(values["domains"] === "mixed" && { mixture: new Float32Array(experts).fill(1 / experts) }),
  }),
  labels: (values, { tokens, experts }) =>
    values["domains"] === "mixed" ? {} : { domain: sentenceOf(tokens).map((sentence) => sentence % experts) },
  tell: (values) =>
    word(values, "domains") === "mixed" ? "every token goes to all experts, which count alike" : "each token has the expert of its sentence",
};
