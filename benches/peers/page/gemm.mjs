/**
 * Plain matrix products in WGSL, the yardstick of the layer's own: out[z] = a[z] · b[z], rows × inner by
 * inner × columns, row-major f32, with all sizes known to the compiler. An invocation keeps a block of results in
 * registers and shares nothing, which is what software adapters want.
 */

const lines = (count, line) => Array.from({ length: count }, (_, i) => line(i)).join("\n");

/**
 * @param {{ rows: number, inner: number, columns: number, relu: boolean }} sizes `relu`: max(·, 0) of every result
 * @param {{ layout: "vector" | "lane", block: [number, number], workgroup: [number, number] }} tiling `block`: rows and
 * columns of an invocation. "vector": its columns lie side by side, as vec4. "lane": the columns of neighbouring
 * invocations do, so that the lanes of a SIMD unit read and write one vector.
 * @returns {{ code: string, grid: [number, number] }} `grid`: workgroups of one product; its third size is the batch
 */
export function product(sizes, tiling) {
  const { rows, inner, columns, relu } = sizes;
  const { layout, block: [height, width], workgroup: [x, y] } = tiling;
  const form = { vector, lane }[layout](columns, width, x);
  const result = (i, j) => (relu ? `max(r${i}_${j}, ${form.type}())` : `r${i}_${j}`);
  const results = (line) => lines(height, (i) => lines(form.across, (j) => line(i, j)));
  const code = `
@group(0) @binding(0) var<storage, read> a: array<vec4f>;             // f32[batch, ${rows}, ${inner}]
@group(0) @binding(1) var<storage, read> b: array<${form.type}>;       // f32[batch, ${inner}, ${columns}]
@group(0) @binding(2) var<storage, read_write> out: array<${form.type}>; // f32[batch, ${rows}, ${columns}]

@compute @workgroup_size(${x}, ${y})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let row = (group.y * ${y}u + local.y) * ${height}u;
  let column = ${form.column};
  if (row >= ${rows}u || column >= ${form.stride}u) { return; }
  ${results((i, j) => `var r${i}_${j} = ${form.type}();`)}
  ${lines(height, (i) => `let a${i} = (group.z * ${rows}u + min(row + ${i}u, ${rows - 1}u)) * ${inner / 4}u;`)}
  var at = group.z * ${inner * form.stride}u + column;
  for (var k = 0u; k < ${inner / 4}u; k++) {
    ${lines(height, (i) => `let v${i} = a[a${i} + k];`)}
    ${["x", "y", "z", "w"].map((part) => `{
      ${lines(form.across, (j) => `let b${j} = b[at + ${j * form.step}u];`)}
      ${results((i, j) => `r${i}_${j} += v${i}.${part} * b${j};`)}
      at += ${form.stride}u;
    }`).join("\n")}
  }
  ${lines(height, (i) => `if (row + ${i}u < ${rows}u) {
    let to = (group.z * ${rows}u + row + ${i}u) * ${form.stride}u + column;
    ${lines(form.across, (j) => `out[to + ${j * form.step}u] = ${result(i, j)};`)}
  }`)}
}`;
  return { code, grid: [Math.ceil(columns / (width * x)), Math.ceil(rows / (height * y))] };
}

/** Whether a block of this tiling divides the columns, as the code takes for granted. */
export const fits = ({ columns }, { layout, block, workgroup }) =>
  columns % (layout === "lane" ? block[1] * workgroup[0] : block[1]) === 0;

const vector = (columns, width, x) => ({
  type: "vec4f",
  across: width / 4,
  step: 1,
  stride: columns / 4,
  column: `(group.x * ${x}u + local.x) * ${width / 4}u`,
});

const lane = (columns, width, x) => ({
  type: "f32",
  across: width,
  step: x,
  stride: columns,
  column: `group.x * ${x * width}u + local.x`,
});
