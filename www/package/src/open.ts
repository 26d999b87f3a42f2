import type { Runtime as PublicRuntime, RuntimeOptions, WasmSource } from "./api.js";
import { checkRuntimeOptions } from "./arguments.js";
import { invalidArgument, toWebMoeError } from "./errors.js";
import { openLocal } from "./local.js";
import { reporter } from "./progress.js";
import { openRemote } from "./remote.js";
import { Runtime } from "./runtime.js";
import { checkSignal } from "./signals.js";

/** In what the entries of the package differ. */
export interface Entry {
  /** The module where the caller names none; `undefined`: the caller must. */
  wasm(): WasmSource | undefined;
  /** Starts the worker's script. */
  spawn(): Worker;
}

/** Where the module is: as the caller says, or beside the entry. */
export function moduleOf(given: WasmSource | undefined, own: Entry["wasm"]): WasmSource {
  const wasm = given ?? own();
  if (wasm === undefined) throw invalidArgument("wasm", wasm, "given: this entry has no module of its own");
  return wasm;
}

/** `createRuntime` of every entry. */
export async function openRuntime(options: RuntimeOptions, entry: Entry): Promise<PublicRuntime> {
  checkRuntimeOptions(options);
  const { device = "auto", gpuDevice, worker, onProgress, signal } = options;
  checkSignal(signal, "createRuntime");
  const wasm = moduleOf(options.wasm, entry.wasm);
  const report = reporter(onProgress);
  try {
    const engine = worker
      ? await openRemote({ device, signal }, wasm, report, entry.spawn)
      : await openLocal({ device, gpuDevice, signal }, wasm, report);
    report({ phase: "ready", loaded: 1, total: 1, text: `Ready: ${engine.device}, ${engine.adapter}` });
    return new Runtime(engine);
  } catch (error) {
    throw toWebMoeError(error);
  }
}
