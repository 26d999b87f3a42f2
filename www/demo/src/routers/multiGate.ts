import type { MultiGateRouterConfig } from "webmoe";
import { number, type RouterKind } from "./kind";
import { best, choices } from "./shared";

export const multiGate: RouterKind = {
  kind: "multiGate",
  controls: [
    { as: "few", name: "tasks", label: "Tasks", initial: 2, values: [1, 2, 3, 4], hint: "Scores and weights are shown of the first." },
    { ...choices(2), label: "Experts for each task" },
  ],
  compares: "column",
  losses: [],
  still: "What the tasks are is not known here, so nothing tells their gates what to learn.",
  config: (values): MultiGateRouterConfig => ({ kind: "multiGate", tasks: number(values, "tasks"), k: number(values, "k") }),
  tell: (values) => {
    const tasks = number(values, "tasks");
    return `each token goes to the ${best(number(values, "k"))} of ${tasks === 1 ? "its one task" : `each of ${tasks} tasks`}`;
  },
};
