/** `webmoe/inline`: the module and the worker are part of this script, for places that serve one file only. */
import wasmBase64 from "#wasm-base64";
import workerText from "#worker-text";
import type { Runtime, RuntimeOptions } from "./api.js";
import { openRuntime } from "./open.js";
import { workerFromText } from "./spawn.js";
import { toolsOf } from "./tools.js";

export * from "./public.js";

const entry = {
  wasm: () => Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0)),
  spawn: () => workerFromText(workerText),
};

/** As `createRuntime` of `webmoe`, without a further download. */
export function createRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  return openRuntime(options, entry);
}

export const { hashTable, mixDomains, addDomain, removeDomain } = toolsOf(entry.wasm);
