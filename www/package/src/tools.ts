/** What the package does without a runtime; the module is loaded as for one, once for both. */
import * as bindings from "#bindings";
import type { WasmSource } from "./api.js";
import { checkObject } from "./arguments.js";
import { toWebMoeError } from "./errors.js";
import { load } from "./instance.js";
import { moduleOf } from "./open.js";
import type {
  AddDomainOptions,
  DomainLayer,
  DomainMixture,
  HashTableOptions,
  MixDomainsOptions,
  RemoveDomainOptions,
  ToolOptions,
} from "./tool-options.js";

/** The functions of every entry. */
export interface Tools {
  /**
   * A table for a hash layer: the expert of every id.
   * @returns `[vocabulary]`, each below `experts`; the same options give the same table everywhere
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `WRONG_LENGTH`, `NON_FINITE`, `WASM_LOAD_FAILED`.
   */
  hashTable(options: HashTableOptions): Promise<Uint32Array>;
  /**
   * How much each domain counts for every token of a text, from how likely a model of each domain found the tokens before it
   * (Gururangan et al. 2021). The weights are the `mixture` of a forward, or mix the domains' probabilities, as the paper does.
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `WRONG_LENGTH`, `NON_FINITE`, `WASM_LOAD_FAILED`.
   */
  mixDomains(options: MixDomainsOptions): Promise<DomainMixture>;
  /**
   * A layer with one domain more, the last, whose expert begins as a copy of the likeliest one; the two halve its share of the
   * prior, so that until it learns nothing changes.
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `INVALID_CONFIG`, `EXPERTS_NOT_DIVISIBLE`, and as `setWeights`.
   */
  addDomain(options: AddDomainOptions): Promise<DomainLayer>;
  /**
   * A layer without a domain, whose share of the prior goes to the others in proportion to theirs.
   * @throws {@link WebMoeError} as `addDomain`.
   */
  removeDomain(options: RemoveDomainOptions): Promise<DomainLayer>;
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
  return {
    hashTable: (options) => call(bindings.hashTable, options),
    mixDomains: (options) => call(bindings.mixDomains, options),
    addDomain: (options) => call(bindings.addDomain, options),
    removeDomain: (options) => call(bindings.removeDomain, options),
  };
}
