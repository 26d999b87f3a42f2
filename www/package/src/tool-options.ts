/** What the functions without a runtime take and give. */

import type { LayerConfig, LayerWeights, WasmSource } from "./api.js";

/** What every function without a runtime takes. */
export interface ToolOptions {
  /** Where the WebAssembly module is, as in {@link RuntimeOptions}. */
  wasm?: WasmSource;
}

/** How to make a table for a hash layer (Roller et al. 2021). */
export type HashTableOptions = ToolOptions & {
  /** The experts that ids may get: those of the layer, or of one of several tables. */
  experts: number;
} & (
    | {
        /** Each id any expert. */
        kind: "random";
        vocabulary: number;
        /** Default 0. */
        seed?: number;
      }
    | {
        /**
         * The commonest ids first, each to the expert with the fewest occurrences so far: none has more than its share and those of
         * one id.
         */
        kind: "balanced";
        /** `[vocabulary]`: how often each id comes. */
        counts: Uint32Array;
      }
    | {
        kind: "balanced";
        /** A corpus to count, of any length. */
        tokenIds: Uint32Array;
        vocabulary: number;
      }
    | {
        /** Ids that mean alike share an expert, or have as many different ones as there are. */
        kind: "clustered" | "dispersed";
        /** `[vocabulary, width]`: those of a trained model. */
        embeddings: Float32Array;
        width: number;
        /** Of the clusters' first centres; default 0. */
        seed?: number;
      }
  );

/** How to weigh domains for every token of a text. */
export interface MixDomainsOptions extends ToolOptions {
  /** `[T, domains]`: `ln p_j(x_t | x_<t)`, how likely a model of domain j found each token that came. */
  logProbabilities: Float32Array;
  domains: number;
  /** Tokens of a sequence; default: all. */
  sequence?: number;
  /**
   * `"single"`: one `domain` alone. `"uniform"`: all alike. `"updatingPrior"`: the posterior, whose prior moves to the mean posterior of
   * each sequence by 0.3 of the way (all the way after the first, without a prior). `"cachedPrior"`: the posterior, with the prior as
   * it is. Default `"updatingPrior"`.
   */
  mode?: "single" | "uniform" | "updatingPrior" | "cachedPrior";
  /** The domain of mode `"single"`. */
  domain?: number;
  /** By all tokens of the sequence so far, or by the last one alone, as in the paper's code; default `"exact"`. */
  posterior?: "exact" | "lastToken";
  /** `[domains]`: what was expected before; default: nothing was seen so far, and all are alike. */
  prior?: Float64Array;
}

/** How much each domain counts. */
export interface DomainMixture {
  /** `[T, domains]`: rows of sum 1, from the tokens before alone. */
  weights: Float32Array;
  /** `[domains]`: those for the token after the last. */
  next: Float32Array;
  /** `[T]`: `ln` of the mixture's probability of each token that came. */
  logProbabilities: Float64Array;
  /** `[domains]`: the prior for the text that follows; absent as long as there is none. */
  prior?: Float64Array;
}

/** A layer of domain experts. */
export interface DomainLayer {
  /** Its description; its router is of kind `"domain"`. */
  config: LayerConfig;
  weights: LayerWeights;
  /** `[experts]`, of sum 1. */
  prior: Float64Array;
}

/** What to add a domain to. */
export interface AddDomainOptions extends ToolOptions {
  /** The layer's description; its router is of kind `"domain"`. */
  config: LayerConfig;
  weights: LayerWeights;
  /** `[experts]`: how likely each domain is for the new text; the largest share tells which expert to copy. Default: all alike. */
  prior?: Float64Array;
}

/** What to remove a domain from. */
export interface RemoveDomainOptions extends AddDomainOptions {
  /** The one that goes. */
  domain: number;
}
