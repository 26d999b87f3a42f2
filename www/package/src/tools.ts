/** What the package does without a runtime; the module is loaded as for one, once for both. */
import * as bindings from "#bindings";
import type { HashTableOptions, ToolOptions, WasmSource } from "./api.js";
import { checkObject } from "./arguments.js";
import { toWebMoeError } from "./errors.js";
import { load } from "./instance.js";
import { moduleOf } from "./open.js";

/** The functions of every entry. */
export interface Tools {
  /**
   * A table for a hash layer: the expert of every id.
   * @returns `[vocabulary]`, each below `experts`; the same options give the same table everywhere
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `WRONG_LENGTH`, `NON_FINITE`, `WASM_LOAD_FAILED`.
   */
  hashTable(options: HashTableOptions): Promise<Uint32Array>;
}

/** The functions of an entry; `own`: its module, where the caller names none. */
export function toolsOf(own: () => WasmSource | undefined): Tools {
  /** One call of a binding, with the errors of the package. */
  async function call<O extends ToolOptions, R>(work: (options: O) => R, options: O): Promise<R> {
    try {
      checkObject("options", options);
      await load(moduleOf(options.wasm, own), () => undefined, undefined);
      return work(options);
    } catch (error) {
      throw toWebMoeError(error);
    }
  }
  return { hashTable: (options) => call(bindings.hashTable, options) };
}
