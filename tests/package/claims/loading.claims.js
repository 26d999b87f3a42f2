/** How the package gets its module, its worker and its device. */
import * as index from "/node_modules/webmoe/dist/index.js";
import * as inline from "/node_modules/webmoe/dist/inline.js";
import * as slim from "/node_modules/webmoe/dist/slim.js";
import { assert, assertCode, assertEqual, everywhere, numbers, WASM } from "./support.js";

const CONFIG = { dModel: 8, dFf: 12, experts: 4, router: { kind: "topK", k: 2 } };
const X = numbers(1, 6 * 8);

/** Runs one layer and says what device it ran on. */
async function runs(create, options) {
  const runtime = await create(options);
  const layer = await runtime.createLayer(CONFIG);
  const { output } = await layer.forward(X);
  runtime.dispose();
  assert(output.some((value) => value !== 0), "the output is zero");
  return runtime.device;
}

/** The package in a frame of its own, where nothing was loaded yet. */
async function afresh(use) {
  const frame = document.createElement("iframe");
  frame.src = "/claims/index.html";
  document.body.append(frame);
  await new Promise((loaded) => (frame.onload = loaded));
  try {
    const script = frame.contentDocument.createElement("script");
    script.type = "module";
    script.textContent = `import * as webmoe from "/node_modules/webmoe/dist/index.js"; parent.deliver(webmoe);`;
    const webmoe = await new Promise((deliver) => {
      window.deliver = deliver;
      frame.contentDocument.body.append(script);
    });
    return await use(webmoe);
  } finally {
    frame.remove();
  }
}

async function codeOf(call) {
  try {
    await call();
    return "none";
  } catch (error) {
    return error.code;
  }
}

async function sources() {
  const bytes = await (await fetch(WASM)).arrayBuffer();
  return {
    "an address": WASM,
    "a URL": new URL(WASM, location.href),
    "a Response": await fetch(WASM),
    bytes,
    "a view of bytes": new Uint8Array(bytes),
    "a compiled module": await WebAssembly.compile(bytes),
  };
}

export default {
  async "capabilities tell the adapter, its features and its limits"() {
    const found = await index.capabilities();
    assertEqual("webgpu", found.webgpu, true);
    assertEqual("reason", found.reason, undefined);
    assert(found.limits.maxStorageBuffersPerShaderStage >= 8, "the limits lack what WebGPU guarantees");
    const adapter = await navigator.gpu.requestAdapter();
    assertEqual("f16", found.f16, adapter.features.has("shader-f16"));
    assertEqual("timestamps", found.timestamps, adapter.features.has("timestamp-query"));
    assertEqual("vendor", found.adapter.vendor, adapter.info.vendor);
  },

  async "capabilities say in words why there is no WebGPU"() {
    const answers = { null: () => Promise.resolve(null), rejection: () => Promise.reject(new Error("blocked by test")) };
    for (const [what, requestAdapter] of Object.entries(answers)) {
      navigator.gpu.requestAdapter = requestAdapter;
      const found = await index.capabilities();
      delete navigator.gpu.requestAdapter;
      assertEqual(`webgpu after ${what}`, found.webgpu, false);
      assert(found.reason.length > 20, `the reason is ${found.reason}`);
      assertEqual("limits", found.limits, {});
    }
    Object.defineProperty(navigator, "gpu", { value: undefined, configurable: true });
    const found = await index.capabilities();
    delete navigator.gpu;
    assert(found.reason.includes("does not have WebGPU"), `the reason is ${found.reason}`);
  },

  async "auto chooses an engine that runs"() {
    assert(["webgpu", "cpu"].includes(await runs(index.createRuntime, {})), "no engine was chosen");
  },

  async "webgpu without an adapter ends with WEBGPU_UNAVAILABLE, and auto takes the CPU"() {
    navigator.gpu.requestAdapter = () => Promise.resolve(null);
    try {
      await assertCode("webgpu", "WEBGPU_UNAVAILABLE", () => index.createRuntime({ device: "webgpu" }));
      assertEqual("auto", await runs(index.createRuntime, { device: "auto" }), "cpu");
    } finally {
      delete navigator.gpu.requestAdapter;
    }
  },

  ...everywhere("the inline entry needs nothing but itself", async ({ options }) => {
    assertEqual("device", await runs(inline.createRuntime, options), options.device);
  }),

  ...everywhere("the slim entry runs on the module it is given", async ({ options }) => {
    assertEqual("device", await runs(slim.createRuntime, { ...options, wasm: WASM }), options.device);
  }),

  async "the slim entry refuses to guess where the module is"() {
    await assertCode("no wasm", "INVALID_ARGUMENT", () => slim.createRuntime({}));
  },

  async "all entries share their errors and capabilities"() {
    for (const name of ["WebMoeError", "capabilities"]) {
      assert(index[name] === slim[name] && index[name] === inline[name], `${name} differs`);
    }
  },

  async "the module comes from an address, a Response, bytes or a compiled module, in the page"() {
    for (const [what, wasm] of Object.entries(await sources())) {
      const device = await afresh((webmoe) => runs(webmoe.createRuntime, { device: "cpu", wasm }));
      assertEqual(what, device, "cpu");
    }
  },

  async "the module comes from an address, a Response, bytes or a compiled module, in a worker"() {
    for (const [what, wasm] of Object.entries(await sources())) {
      assertEqual(what, await runs(index.createRuntime, { device: "cpu", worker: true, wasm }), "cpu");
      if (wasm instanceof ArrayBuffer) assert(wasm.byteLength > 0, "the caller's bytes were taken away");
    }
  },

  async "a module that cannot be loaded says so, and the next call tries again"() {
    await afresh(async (webmoe) => {
      for (const wasm of ["/nowhere.wasm", "/claims/index.html", new Uint8Array([1, 2, 3])]) {
        assertEqual(String(wasm), await codeOf(() => webmoe.createRuntime({ wasm })), "WASM_LOAD_FAILED");
      }
      assertEqual("then", await runs(webmoe.createRuntime, { device: "cpu" }), "cpu");
    });
    for (const wasm of ["/nowhere.wasm", "http://[", new Uint8Array([1, 2, 3])]) {
      const options = { worker: true, wasm };
      await assertCode(`${wasm} in a worker`, "WASM_LOAD_FAILED", () => index.createRuntime(options));
    }
  },

  async "a page in the module's place gets the advice for older Vite"() {
    const wasm = "/moved/webmoe_bg.wasm";
    const error = await assertCode("worker", "WASM_LOAD_FAILED", () => index.createRuntime({ worker: true, wasm }));
    assert(error.message.includes("optimizeDeps.exclude: ['webmoe']"), error.message);
  },

  async "a worker whose script is missing ends with WORKER_FAILED"() {
    const Real = window.Worker;
    window.Worker = class extends Real {
      constructor(_, options) {
        super("/nowhere.js", options);
      }
    };
    try {
      await assertCode("createRuntime", "WORKER_FAILED", () => index.createRuntime({ worker: true }));
    } finally {
      window.Worker = Real;
    }
  },

  async "options of a wrong type are refused with INVALID_ARGUMENT"() {
    const bad = [{ device: "tpu" }, { gpuDevice: {} }, { worker: 1 }, { wasm: 7 }, { onProgress: "yes" }, { signal: {} }, null];
    for (const options of bad) await assertCode(String(options), "INVALID_ARGUMENT", () => index.createRuntime(options));
  },

  ...everywhere("progress never falls, counts real bytes and ends at 1", async ({ options }) => {
    const size = (await (await fetch(WASM)).arrayBuffer()).byteLength;
    const reports = [];
    const onProgress = (report) => reports.push(report);
    await afresh((webmoe) => runs(webmoe.createRuntime, { ...options, onProgress }));
    const overall = reports.map((report) => report.overall);
    assertEqual("order", overall, [...overall].sort((a, b) => a - b));
    assertEqual("phases", [...new Set(reports.map(({ phase }) => phase))], ["fetch", "compile", "device", "ready"]);
    const fetched = reports.filter(({ phase }) => phase === "fetch").at(-1);
    assertEqual("bytes", [fetched.loaded, fetched.total], [size, size]);
    assertEqual("end", [overall.at(-1), reports.every(({ text }) => text.length > 0)], [1, true]);
  }),

  ...everywhere("an abort in any phase ends with ABORTED, and the next call works", async ({ options }) => {
    await assertCode("before", "ABORTED", () => index.createRuntime({ ...options, signal: AbortSignal.abort() }));
    for (const phase of ["fetch", "compile", "device"]) {
      await afresh(async (webmoe) => {
        const control = new AbortController();
        const onProgress = (report) => report.phase === phase && control.abort();
        const code = await codeOf(() => webmoe.createRuntime({ ...options, onProgress, signal: control.signal }));
        assertEqual(phase, code, "ABORTED");
        assertEqual("next", await runs(webmoe.createRuntime, options), options.device);
      });
    }
  }),

  async "a callback that throws does not stop the opening"() {
    const heard = new Promise((resolve) => {
      const hear = (event) => {
        event.preventDefault();
        removeEventListener("error", hear);
        resolve(event.error.message);
      };
      addEventListener("error", hear);
    });
    let once = true;
    const onProgress = () => {
      if (once) throw ((once = false), new Error("from the callback"));
    };
    assertEqual("device", await runs(index.createRuntime, { device: "cpu", onProgress }), "cpu");
    assertEqual("error", await heard, "from the callback");
  },
};
