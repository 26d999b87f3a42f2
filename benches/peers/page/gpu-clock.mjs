/**
 * A device whose own clock times every dispatch: each is put in a pass of its own, between two timestamps. Whoever gets
 * the device notices nothing, provided that every dispatch is preceded by its pipeline.
 */

/** Dispatches between two calls of `take`: a query set holds 4096 timestamps at most. */
const MOST = 2048;

export async function openClockedDevice() {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const requiredLimits = {};
  for (const name in adapter.limits) requiredLimits[name] = adapter.limits[name];
  const device = await adapter.requestDevice({ requiredFeatures: ["timestamp-query"], requiredLimits });
  const clock = new Clock(device);
  const create = device.createCommandEncoder.bind(device);
  device.createCommandEncoder = (descriptor) => {
    const encoder = create(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = () => new SplitPass(begin, clock);
    return encoder;
  };
  return { device, take: () => clock.take(create) };
}

class Clock {
  #device;
  #queries;
  #labels = [];

  constructor(device) {
    this.#device = device;
    this.#queries = device.createQuerySet({ type: "timestamp", count: 2 * MOST });
  }

  /** The timestamps of the next dispatch. */
  next(label) {
    const index = 2 * this.#labels.length;
    if (index >= 2 * MOST) throw new Error(`more than ${MOST} dispatches were timed at once`);
    this.#labels.push(label);
    return {
      querySet: this.#queries,
      beginningOfPassWriteIndex: index,
      endOfPassWriteIndex: index + 1,
    };
  }

  /** Milliseconds of all dispatches since the last call, summed by the label of their pipeline. */
  async take(createEncoder) {
    const labels = this.#labels.splice(0);
    if (labels.length === 0) return {};
    const size = 16 * labels.length;
    const resolved = this.#device.createBuffer({ size, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    const mapped = this.#device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = createEncoder();
    encoder.resolveQuerySet(this.#queries, 0, 2 * labels.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, mapped, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await mapped.mapAsync(GPUMapMode.READ);
    const times = new BigUint64Array(mapped.getMappedRange());
    const sums = {};
    labels.forEach((label, i) => {
      sums[label] = (sums[label] ?? 0) + Number(times[2 * i + 1] - times[2 * i]) / 1e6;
    });
    resolved.destroy();
    mapped.destroy();
    return sums;
  }
}

/** Stands in for a compute pass. */
class SplitPass {
  #begin;
  #clock;
  #pass;

  constructor(begin, clock) {
    this.#begin = begin;
    this.#clock = clock;
  }

  setPipeline(pipeline) {
    this.#pass = this.#begin({ timestampWrites: this.#clock.next(pipeline.label) });
    this.#pass.setPipeline(pipeline);
  }

  setBindGroup(...group) {
    this.#pass.setBindGroup(...group);
  }

  dispatchWorkgroups(...size) {
    this.#pass.dispatchWorkgroups(...size);
    this.#pass.end();
  }

  dispatchWorkgroupsIndirect(...size) {
    this.#pass.dispatchWorkgroupsIndirect(...size);
    this.#pass.end();
  }

  end() {}
}
