/**
 * Not the layer: only its experts' two products, as plain batched WGSL with every expert given the same number of
 * rows. What a compute shader reaches on this adapter, and so what our own products are held against. The tiling of
 * each is the fastest of a list, by the device's clock, when it is opened.
 */
import { fits, product } from "../page/gemm.mjs";
import { openClockedDevice } from "../page/gpu-clock.mjs";

const TILINGS = [
  ["vector", [4, 16], [4, 1]],
  ["vector", [8, 8], [8, 1]],
  ["vector", [8, 16], [4, 1]],
  ["vector", [8, 16], [1, 4]],
  ["vector", [16, 8], [4, 1]],
  ["vector", [16, 16], [4, 1]],
  ["lane", [8, 4], [4, 1]],
  ["lane", [8, 8], [4, 1]],
  ["lane", [16, 4], [4, 1]],
  ["lane", [16, 8], [4, 1]],
].map(([layout, block, workgroup]) => ({ layout, block, workgroup }));
const TRIES = 3;

export async function open({ tokens, dModel, dFf, experts, k }, { x: drawn, w1, w2 }) {
  const rows = (tokens * k) / experts;
  const clock = await openClockedDevice();
  const { device } = clock;
  const buffer = (length) => {
    const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
    return device.createBuffer({ size: 4 * length, usage: STORAGE | COPY_DST | COPY_SRC });
  };
  const x = buffer(experts * rows * dModel);
  const hidden = buffer(experts * rows * dFf);
  const y = buffer(experts * rows * dModel);
  const [weightsIn, weightsOut] = [w1, w2].map((values) => {
    const filled = buffer(values.length);
    device.queue.writeBuffer(filled, 0, values);
    return filled;
  });
  const repeated = new Float32Array(experts * rows * dModel).map((_, i) => drawn[i % drawn.length]);
  device.queue.writeBuffer(x, 0, repeated);

  const run = async (products) => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { pipeline, group, grid } of products) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid, experts);
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  };
  const make = async (label, sizes, buffers, tiling) => {
    const { code, grid } = product(sizes, tiling);
    const module = device.createShaderModule({ code });
    const pipeline = await device.createComputePipelineAsync({ label, layout: "auto", compute: { module } });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    return { pipeline, grid, tiling, group };
  };
  const fastest = async (label, sizes, buffers) => {
    let best = { ms: Infinity };
    for (const tiling of TILINGS.filter((tiling) => fits(sizes, tiling))) {
      const made = await make(label, sizes, buffers, tiling);
      await run([made]);
      await clock.take();
      for (let i = 0; i < TRIES; i++) {
        await run([made]);
        const ms = (await clock.take())[label];
        if (ms < best.ms) best = { ...made, ms };
      }
    }
    return best;
  };
  const products = [
    await fastest("in", { rows, inner: dModel, columns: dFf, relu: true }, [x, weightsIn, hidden]),
    await fastest("out", { rows, inner: dFf, columns: dModel, relu: false }, [hidden, weightsOut, y]),
  ];

  const last = experts - 1;
  const row = (experts * rows - 1) * dModel;
  const weights = { w1: w1.subarray(last * dModel * dFf), w2: w2.subarray(last * dFf * dModel) };
  return {
    /** Runs both and brings back the last row. */
    async forward() {
      await run(products);
      return readBack(device, y, row, dModel);
    },
    expected: expectedRow(repeated.subarray(row), weights, dModel, dFf),
    kernels: () => clock.take(),
    about: () => products.map(({ tiling: { layout, block, workgroup } }) =>
      `${layout} ${block.join("×")}, workgroup ${workgroup.join("×")}`).join("; "),
  };
}

async function readBack(device, buffer, first, length) {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const mapped = device.createBuffer({ size: 4 * length, usage });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 4 * first, mapped, 0, 4 * length);
  device.queue.submit([encoder.finish()]);
  await mapped.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(mapped.getMappedRange()).slice();
  mapped.destroy();
  return values;
}

/** max(x · w1, 0) · w2 in f64, of one row. */
function expectedRow(x, { w1, w2 }, dModel, dFf) {
  const times = (row, matrix, columns) =>
    Float64Array.from({ length: columns }, (_, c) => row.reduce((sum, v, r) => sum + v * matrix[r * columns + c], 0));
  const hidden = times(Float64Array.from(x), w1, dFf).map((h) => Math.max(h, 0));
  return times(hidden, w2, dModel);
}
