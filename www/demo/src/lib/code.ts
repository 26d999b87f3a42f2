/** The present layer as a program. */

import type { Snapshot } from "./pass";
import { fit } from "./settings";

/** TypeScript that makes the same layer with the package. */
export function codeOf({ settings, config, batch }: Snapshot): string {
  const { parts } = fit(settings);
  const labels = Object.entries(batch.labels).map(([name, label]) => labelOf(name, label));
  const needed = labels.length === 0 ? "" : `
// What the router goes by. These are those of the text on the page.
const labels = {
${labels.join("\n")}
};`;
  const tokens = labels.length === 0 ? 8 * parts : batch.tokens.length;
  return `import { createRuntime } from "webmoe";

const runtime = await createRuntime({ device: ${JSON.stringify(settings.engine === "webgpu" ? "auto" : settings.engine)} });
const layer = await runtime.createLayer(${literal(config)});

// Your tokens: a row of ${settings.width} numbers each; their number must be a multiple of ${parts}.
const x = new Float32Array(${tokens} * ${settings.width}).map(() => Math.random() - 0.5);${needed}
const { output, routing, losses, traffic } = await layer.forward(x, { train: true${labels.length === 0 ? "" : ", ...labels"} });
console.log(output, routing.load, losses, traffic.networkBytes);
runtime.dispose();
`;
}

type Numbers = Uint32Array | Float32Array;

const isNumbers = (value: unknown): value is Numbers => value instanceof Uint32Array || value instanceof Float32Array;

const labelOf = (name: string, label: Numbers | number): string => `  ${name}: ${typeof label === "number" ? label : array(label)},`;

const array = (values: Numbers): string => `new ${values instanceof Float32Array ? "Float32Array" : "Uint32Array"}([${Array.from(values).join(", ")}])`;

/** JSON with the quotes taken off its keys, and typed arrays as such. */
function literal(value: unknown): string {
  const text = JSON.stringify(value, (_, part: unknown) => (isNumbers(part) ? `<${array(part)}>` : part), 2);
  return text.replace(/"<(.+?)>"/g, "$1").replace(/^( *)"(\w+)":/gm, "$1$2:");
}
