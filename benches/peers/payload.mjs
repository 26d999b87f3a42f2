/** A workload's arrays and expected values, as the page fetches them. */
import { expected } from "./reference.mjs";
import { draw } from "./workloads.mjs";

/** Rows that static shapes reserve for each expert are a multiple of this. */
const SLOT_MULTIPLE = 8;

/**
 * @returns `arrays`: where each lies in `bytes`; `slots`: rows that hold any expert's assignments, for peers whose
 * shapes must be known beforehand
 */
export function makePayload(workload) {
  const drawn = draw(workload);
  const { output, losses, largestLoad } = expected(workload, drawn);
  const all = { output, losses: Float64Array.from(losses), ...drawn };
  const arrays = [];
  let first = 0;
  for (const [name, values] of Object.entries(all)) {
    arrays.push({ name, type: values instanceof Float64Array ? "f64" : "f32", first, length: values.length });
    first += values.byteLength;
  }
  const parts = Object.values(all).map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength));
  const bytes = Buffer.concat(parts);
  const slots = Math.min(workload.tokens, Math.ceil(largestLoad / SLOT_MULTIPLE) * SLOT_MULTIPLE);
  return { arrays, bytes, slots };
}
