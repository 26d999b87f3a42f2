/** `webmoe/slim`: for libraries and bundlers of their own ways; the caller says where the module is. */
import type { Runtime, RuntimeOptions, WasmSource } from "./api.js";
import { openRuntime } from "./open.js";
import { spawnWorker } from "./spawn.js";
import { toolsOf } from "./tools.js";

export * from "./public.js";

const entry = { wasm: () => undefined, spawn: spawnWorker };

/** As `createRuntime` of `webmoe`, but `wasm` must be given. */
export function createRuntime(options: RuntimeOptions & { wasm: WasmSource }): Promise<Runtime> {
  return openRuntime(options, entry);
}

/** As those of `webmoe`, but `wasm` must be given. */
export const { hashTable, mixDomains, addDomain, removeDomain } = toolsOf(entry.wasm);
