/** The one instance of the WebAssembly module in this thread. */
import init from "#bindings";
import type { WasmSource } from "./api.js";
import { compile, loadFailed } from "./module.js";
import type { Listener } from "./progress.js";
import { abortable } from "./signals.js";

interface Loading {
  done: Promise<void>;
  listeners: Set<Listener>;
}

let loading: Loading | undefined;

/**
 * Loads the module unless it is there or on its way; then `source` is not looked at. An abort ends the waiting, not the
 * loading, which serves the next call. After a failure the next call tries again.
 * @throws `WASM_LOAD_FAILED`, `ABORTED`
 */
export async function load(source: WasmSource, report: Listener, signal: AbortSignal | undefined): Promise<void> {
  loading ??= start(source);
  const { done, listeners } = loading;
  listeners.add(report);
  try {
    await abortable(done, signal, "createRuntime");
  } finally {
    listeners.delete(report);
  }
}

function start(source: WasmSource): Loading {
  const listeners = new Set<Listener>();
  const done = instantiate(source, (step) => listeners.forEach((listener) => listener(step)));
  done.catch(() => {
    loading = undefined;
  });
  return { done, listeners };
}

async function instantiate(source: WasmSource, report: Listener): Promise<void> {
  const module = await compile(source, report);
  try {
    await init({ module_or_path: module });
  } catch (error) {
    throw loadFailed("the WebAssembly module is not webmoe's", {}, error);
  }
}
