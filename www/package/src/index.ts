/** `webmoe`: the module and the worker lie beside this script. */
import type { Runtime, RuntimeOptions } from "./api.js";
import { openRuntime } from "./open.js";
import { spawnWorker } from "./spawn.js";
import { toolsOf } from "./tools.js";

export * from "./public.js";

const entry = {
  wasm: () => new URL("./webmoe_bg.wasm", import.meta.url),
  spawn: spawnWorker,
};

/**
 * Loads the WebAssembly module, once, and opens a device.
 * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `INVALID_CONFIG`, `WASM_LOAD_FAILED`, `WEBGPU_UNAVAILABLE`,
 * `WORKER_FAILED`, `ABORTED`; nothing is left open then.
 */
export function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  return openRuntime(options, entry);
}

export const { hashTable, mixDomains, addDomain, removeDomain } = toolsOf(entry.wasm);
