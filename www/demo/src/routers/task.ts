import type { TaskRouterConfig } from "webmoe";
import { number, word, type RouterKind } from "./kind";
import { sentenceOf } from "./sentences";
import { best, choices, scoring } from "./shared";

export const task: RouterKind = {
  kind: "task",
  controls: [
    choices(2),
    {
      as: "few",
      name: "tasks",
      label: "Tasks",
      initial: 4,
      values: [1, 2, 4, 8, 16],
      hint: "Here each sentence is a task of its own, until there are no more; then they begin again.",
    },
    scoring,
  ],
  compares: "column",
  losses: ["loadBalance", "z"],
  config: (values): TaskRouterConfig => ({
    kind: "task",
    tasks: number(values, "tasks"),
    k: number(values, "k"),
    scoring: word(values, "scoring"),
  }),
  labels: (values, { tokens }) => ({ task: sentenceOf(tokens).map((sentence) => sentence % number(values, "tasks")) }),
  tell: (values) => `each sentence is a task, which takes its ${best(number(values, "k"))} for all of its tokens`,
};
