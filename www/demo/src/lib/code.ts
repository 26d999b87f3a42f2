/** The present layer as a program. */

import { configOf } from "./layer";
import { fit, type Settings } from "./settings";

/** TypeScript that makes the same layer with the package. */
export function codeOf(settings: Settings): string {
  const { groups } = fit(settings);
  return `import { createRuntime } from "webmoe";

const runtime = await createRuntime({ device: ${JSON.stringify(settings.engine === "webgpu" ? "auto" : settings.engine)} });
const layer = await runtime.createLayer(${literal(configOf(settings))});

// Your tokens: a row of ${settings.width} numbers each; their number must be a multiple of ${groups}.
const x = new Float32Array(${8 * groups} * ${settings.width}).map(() => Math.random() - 0.5);
const { output, routing, losses, traffic } = await layer.forward(x);
console.log(output, routing.load, losses.loadBalance, traffic.networkBytes);
runtime.dispose();
`;
}

/** JSON with the quotes taken off its keys. */
const literal = (value: unknown): string => JSON.stringify(value, null, 2).replace(/^( *)"(\w+)":/gm, "$1$2:");
