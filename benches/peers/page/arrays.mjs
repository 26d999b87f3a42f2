/** The arrays of a workload, as `payload.mjs` lays them out. */

/** All arrays by name, the expected values among them. */
export async function readArrays() {
  const layout = await (await fetch("/payload/layout.json")).json();
  const bytes = await (await fetch("/payload/bytes.bin")).arrayBuffer();
  const types = { f32: Float32Array, f64: Float64Array };
  return Object.fromEntries(
    layout.map(({ name, type, first, length }) => [name, new types[type](bytes, first, length)]),
  );
}

/** [matrices, rows, columns] to [matrices, columns, rows]. */
export function transposed(values, rows, columns) {
  const out = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += rows * columns) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) out[at + c * rows + r] = values[at + r * columns + c];
    }
  }
  return out;
}
