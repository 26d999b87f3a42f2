/** The lives of runtimes. */
import { createRuntime } from "/node_modules/webmoe/dist/index.js";
import { assert, assertClose, assertCode, assertEqual, everywhere, numbers, runtimeAt } from "./support.js";

const CONFIG = { dModel: 8, dFf: 12, experts: 4, router: { kind: "topK", k: 2 } };
const X = numbers(1, 6 * 8);
const MANY = 50;

/** A runtime in a worker, that worker, and how often it was ended. */
async function withWatchedWorker() {
  const Real = window.Worker;
  let worker;
  let count = 0;
  window.Worker = class extends Real {
    constructor(...args) {
      super(...args);
      worker = this;
    }
    terminate() {
      count += 1;
      super.terminate();
    }
  };
  try {
    return { runtime: await createRuntime({ device: "cpu", worker: true }), worker, ended: () => count };
  } finally {
    window.Worker = Real;
  }
}

export default {
  ...everywhere(`${MANY} layers made, run and disposed of leave no buffer`, async (place) => {
    const runtime = await createRuntime(place.options);
    for (let i = 0; i < MANY; i++) {
      const layer = await runtime.createLayer({ ...CONFIG, seed: i });
      await layer.forward(X, { read: [] });
      layer.dispose();
    }
    assertEqual("buffers", (await runtime.counters()).buffers, 0);
    runtime.dispose();
  }),

  async [`${MANY} runtimes made and disposed of leave no buffer`]() {
    for (let i = 0; i < MANY; i++) {
      const runtime = await createRuntime({ device: i % 2 ? "cpu" : "webgpu" });
      await runtime.createLayer(CONFIG);
      assert((await runtime.counters()).buffers > 0, "a live layer has no buffers");
      runtime.dispose();
      assertEqual("buffers", (await runtime.counters()).buffers, 0);
    }
  },

  ...everywhere("dispose ends the runtime and its layers, twice as once", async (place) => {
    const runtime = await createRuntime(place.options);
    const layer = await runtime.createLayer(CONFIG);
    runtime.dispose();
    runtime.dispose();
    await assertCode("createLayer", "DISPOSED", () => runtime.createLayer(CONFIG));
    await assertCode("forward", "DISPOSED", () => layer.forward(X));
    assertEqual("lost", (await runtime.lost).reason, "destroyed");
    assertEqual("device", runtime.device, place.options.device);
  }),

  ...everywhere("dispose lets the call under way finish and refuses those behind it", async (place) => {
    const runtime = await createRuntime(place.options);
    const layer = await runtime.createLayer(CONFIG);
    const first = layer.forward(X);
    await Promise.resolve();
    const second = layer.forward(X);
    const unborn = runtime.createLayer(CONFIG);
    const refusals = [assertCode("second", "DISPOSED", () => second), assertCode("layer", "DISPOSED", () => unborn)];
    runtime.dispose();
    assertEqual("output", (await first).output.length, X.length);
    await Promise.all(refusals);
    assertEqual("buffers", (await runtime.counters()).buffers, 0);
  }),

  ...everywhere("a forward whose signal has fired ends with ABORTED and the layer works on", async (place) => {
    const layer = await (await runtimeAt(place)).createLayer(CONFIG);
    const reason = new Error("changed my mind");
    const signal = AbortSignal.abort(reason);
    const error = await assertCode("before", "ABORTED", () => layer.forward(X, { signal }));
    assert(error.cause === reason, "the signal's reason is not the cause");
    const control = new AbortController();
    const running = layer.forward(X, { signal: control.signal });
    control.abort();
    await assertCode("during", "ABORTED", () => running);
    assertEqual("output", (await layer.forward(X)).output.length, X.length);
    layer.dispose();
  }),

  async "a caller's device is used, survives the runtime and is given back untouched"() {
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice();
    const made = [];
    device.createBuffer = (descriptor) => {
      made.push(descriptor);
      return GPUDevice.prototype.createBuffer.call(device, descriptor);
    };
    const [runtime, other] = await Promise.all([
      createRuntime({ gpuDevice: device }),
      createRuntime({ device: "webgpu" }),
    ]);
    assertEqual("device", runtime.device, "webgpu");
    const mine = await runtime.createLayer(CONFIG);
    const buffers = made.length;
    assert(buffers > 0, "the caller's device made no buffers");
    const theirs = await other.createLayer(CONFIG);
    assertEqual("buffers of the other runtime on the caller's device", made.length - buffers, 0);
    assertClose("output", (await mine.forward(X)).output, (await theirs.forward(X)).output);
    runtime.dispose();
    other.dispose();
    await runtime.counters();
    device.pushErrorScope("validation");
    device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST }).destroy();
    assertEqual("error on the device afterwards", await device.popErrorScope(), null);
    const lost = await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, 50, "alive"))]);
    assertEqual("device", lost, "alive");
    assert(!Object.hasOwn(navigator.gpu, "requestAdapter"), "navigator.gpu was left changed");
    device.destroy();
  },

  async "lost tells that the caller destroyed its device, and calls end with DEVICE_LOST"() {
    const device = await (await navigator.gpu.requestAdapter()).requestDevice();
    const runtime = await createRuntime({ gpuDevice: device });
    const layer = await runtime.createLayer(CONFIG);
    device.destroy();
    assertEqual("lost", (await runtime.lost).reason, "destroyed");
    await assertCode("forward", "DEVICE_LOST", () => layer.forward(X));
    runtime.dispose();
  },

  async "a caller's device goes with neither a worker nor the CPU engine"() {
    const gpuDevice = await (await navigator.gpu.requestAdapter()).requestDevice();
    await assertCode("worker", "INVALID_CONFIG", () => createRuntime({ gpuDevice, worker: true }));
    await assertCode("cpu", "INVALID_CONFIG", () => createRuntime({ gpuDevice, device: "cpu" }));
    gpuDevice.destroy();
  },

  async "dispose ends the worker"() {
    const { runtime, ended } = await withWatchedWorker();
    assertEqual("before", ended(), 0);
    runtime.dispose();
    await runtime.counters();
    assertEqual("after", ended(), 1);
  },

  async "a worker that breaks ends calls with WORKER_FAILED and tells lost"() {
    const { runtime, worker } = await withWatchedWorker();
    const layer = await runtime.createLayer(CONFIG);
    const running = layer.forward(X);
    worker.dispatchEvent(new ErrorEvent("error", { message: "broken by test", cancelable: true }));
    await assertCode("under way", "WORKER_FAILED", () => running);
    await assertCode("later", "WORKER_FAILED", () => layer.weights());
    assert((await runtime.lost).message.includes("broken by test"), "lost does not say why");
    runtime.dispose();
  },

  async "what cannot be sent to a worker is refused with INVALID_ARGUMENT"() {
    const runtime = await createRuntime({ device: "cpu", worker: true });
    const config = { ...CONFIG, seed: () => 1 };
    await assertCode("a function", "INVALID_ARGUMENT", () => runtime.createLayer(config));
    runtime.dispose();
  },

  async "using disposes, where the browser has it"() {
    if (!Symbol.dispose) return;
    const runtime = await createRuntime({ device: "cpu" });
    const layer = await runtime.createLayer(CONFIG);
    layer[Symbol.dispose]();
    await assertCode("layer", "DISPOSED", () => layer.weights());
    runtime[Symbol.dispose]();
    await assertCode("runtime", "DISPOSED", () => runtime.createLayer(CONFIG));
  },
};
