/// <reference lib="esnext.disposable" preserve="true" />

/**
 * The public types. Sizes: `T` tokens, `dModel` the width of a token, `dFf` the hidden width of an expert,
 * `experts` their number. Every array is row-major; shapes are written beside it.
 */

/** What this browser can do, as {@link capabilities} finds it. */
export interface Capabilities {
  /** Whether a WebGPU adapter is to be had. */
  webgpu: boolean;
  /** Why not, in words a person can act on; absent where there is an adapter. */
  reason?: string;
  /** The adapter's names as the browser tells them; any may be empty. */
  adapter?: { vendor: string; architecture: string; description: string };
  /** `shader-f16` is offered. */
  f16: boolean;
  /** `subgroups` is offered. */
  subgroups: boolean;
  /** `timestamp-query` is offered. */
  timestamps: boolean;
  /** The adapter's limits by their WebGPU names (bytes or counts); empty without an adapter. */
  limits: Record<string, number>;
}

/** The WebAssembly module: where it is, its bytes, or itself compiled. */
export type WasmSource = string | URL | Response | BufferSource | WebAssembly.Module;

/** One report of how far `createRuntime` has come. */
export interface Progress {
  /** `"fetch"`, `"compile"`, `"device"`, then `"ready"`. */
  phase: string;
  /** Done in this phase: bytes while fetching, otherwise 0 or 1. */
  loaded: number;
  /** All of this phase in the same unit; equals `loaded` where the server does not say. */
  total: number;
  /** Of the whole, 0 to 1; never falls. */
  overall: number;
  /** The same in words, to be shown. */
  text: string;
}

/** How to open a runtime. */
export interface RuntimeOptions {
  /** The engine; `"auto"` (the default) takes the faster one on this machine. The results are the same. */
  device?: "auto" | "webgpu" | "cpu";
  /** The caller's device: used, never destroyed. Not together with `worker` or `device: "cpu"`. */
  gpuDevice?: GPUDevice;
  /** Run in a dedicated worker, behind the same interface. Default `false`. */
  worker?: boolean;
  /** Where the WebAssembly module is; read by the first call alone, since it is loaded once. */
  wasm?: WasmSource;
  /** Hears how far the opening has come. */
  onProgress?: (progress: Progress) => void;
  /** Ends the opening with an error of code `ABORTED`. */
  signal?: AbortSignal;
}

/** What a runtime holds and has done since it was opened. */
export interface Counters {
  /** Device buffers alive. */
  buffers: number;
  /** Their size in bytes. */
  bytes: number;
  /** Kernels run. */
  dispatches: number;
  /** Command buffers submitted. */
  submits: number;
  /** Reads back to the CPU. */
  readbacks: number;
}

/** An engine with its device; makes layers. */
export interface Runtime {
  /** The engine in use. */
  readonly device: "webgpu" | "cpu";
  /** Name of what it runs on. */
  readonly adapter: string;
  /**
   * Makes a layer with weights drawn from `config.seed`.
   * @throws {@link WebMoeError} `INVALID_CONFIG`, `UNKNOWN_CONFIG_FIELD`, `UNKNOWN_ROUTER`, `TOO_MANY_CHOICES`,
   * `EXPERTS_NOT_DIVISIBLE`, `GROUPS_NOT_DIVISIBLE`, `UNKNOWN_LOSS`, `TOO_LARGE`, `DISPOSED`.
   */
  createLayer(config: LayerConfig): Promise<MoeLayer>;
  /** What the runtime holds and has done; answers after `dispose()` too, with the last figures. */
  counters(): Promise<Counters>;
  /** Resolves when the device is gone: taken away, or (reason `"destroyed"`) by `dispose()`. Never rejects. */
  readonly lost: Promise<{ reason: string; message: string }>;
  /** Frees every buffer of every layer, after the calls under way; later calls end with `DISPOSED`. Idempotent. */
  dispose(): void;
  /** `dispose()`, for `using`, where the platform has `Symbol.dispose`. */
  [Symbol.dispose](): void;
}

/** A sparse layer's description. */
export interface LayerConfig {
  /** Width of a token. */
  dModel: number;
  /** Hidden width of an expert. */
  dFf: number;
  /** Number of experts. */
  experts: number;
  /**
   * Hidden width of each expert that has weights, from 1 to `dFf`; default: `dFf` for all. Weights keep the shape of `dFf`: what
   * lies beyond a width is 0, is not computed with, and stays 0.
   */
  expertWidths?: number[] | Uint32Array;
  /** How many of the experts, the last ones, return their token as it is: no cost, no weights; default 0, below `experts`. */
  identityExperts?: number;
  /** Between the two products of an expert; default `"gelu"` (erf). */
  activation?: "relu" | "gelu" | "geluTanh" | "silu";
  /** `act(x·W1) * (x·W3)`, as SwiGLU and GEGLU; default `false`. */
  gated?: boolean;
  /** Biases b1, b2 (and b3) in the experts; default `false`. */
  bias?: boolean;
  /** A bias on the router's logits; default `false`. */
  routerBias?: boolean;
  /** Who goes where. */
  router: RouterConfig;
  /** How many assignments an expert takes per group; default `"dropless"`. */
  capacity?: "dropless" | CapacityConfig;
  /** An expert added for every token; `gate`: times `sigmoid(x·g)`. */
  sharedExpert?: { dFf: number; gate?: boolean };
  /**
   * The gate `s` of the shared expert mixes: routed weights are multiplied by `1 - s` (PR-MoE). The same as a softmax over two
   * logits without biases, `x·a` for the routed part and `x·b` for the shared one, where `g = b - a`. Wants
   * `sharedExpert: { gate: true }`; default `false`.
   */
  residual?: boolean;
  /** Routing groups (capacity is per group); default: one per virtual device, or one in all where these agree by a handshake. */
  groups?: number;
  /** Virtual devices; tokens and experts are split evenly; default 1. */
  mesh?: { devices: number };
  /**
   * Every device holds all experts, whose number the devices then need not divide: rows stay where they are and nothing is
   * exchanged. What keeps the copies alike is not counted. Default `false`.
   */
  replicated?: boolean;
  /** Losses added in backward by their weights, such as `{ loadBalance: 0.01, z: 0.001 }`; default none. */
  lossWeights?: Record<string, number>;
  /** Seed of the first weights and of every random choice; default 0. */
  seed?: number;
}

/** How many assignments an expert takes in a group, and which. */
export type CapacityConfig = (
  | {
      /** Slots = `factor` × the mean number of assignments per expert, rounded. */
      factor: number;
      /** `factor` where `train` is false. */
      evalFactor?: number;
      /** What the mean counts: tokens, or all their choices. */
      per?: "token" | "assignment";
      /** How slots become whole. */
      round?: "floor" | "ceil" | "round";
      /** Never fewer slots than this. */
      min?: number;
      /** Slots are raised to a multiple of this. */
      multipleOf?: number;
    }
  | {
      /** A fixed number of slots for each expert and group; 0 drops everything. */
      slots: number;
    }
) & {
  /** Who keeps a place: the first to come, tokens by their best score, an expert's best, or a random order. */
  priority?: "arrival" | "batch" | "weight" | "random";
  /** All first choices before second ones, or token by token. */
  order?: "rank" | "token";
};

/** Each token takes its `k` best experts: Switch (k = 1), GShard, Mixtral, OLMoE, Qwen-MoE, DeepSeek. */
export interface TopKRouterConfig {
  kind: "topK";
  /** Experts per token; of every prototype, where there are several. */
  k: number;
  /**
   * Equal runs of experts, each with a softmax and `k` choices of its own, whose outputs add up (M6-T); default 1. The first choices
   * of all prototypes come before the second ones. Goes with nothing but `k`, `scale`, `jitter` and `dropout`.
   */
  prototypes?: number;
  /** From logits to scores; default `"softmax"`. */
  scoring?: "softmax" | "sigmoid";
  /** Softmax before the selection, or only over the chosen logits; default `"all"`. */
  softmaxOver?: "all" | "selected";
  /** Divide by the sum of the chosen weights, before or after drops; default `"none"`. */
  renormalize?: "none" | "preDrop" | "postDrop";
  /** `[experts]`: added to choose, not to weigh (DeepSeek-V3). */
  selectionBias?: Float32Array;
  /** Experts come in this many groups, for `groupLimit`. */
  expertGroups?: number;
  /** Choose only within this many of the best groups. */
  groupLimit?: number;
  /** Weights are multiplied by this; default 1. */
  scale?: number;
  /**
   * In training, inputs of the router (and of the shared expert's gate, which is one more of its logits) are multiplied by uniform
   * noise in `[1 - jitter, 1 + jitter]`; default 0. Experts see the token as it is.
   */
  jitter?: number;
  /** In training, this share of the same inputs is dropped and the rest divided by `1 - dropout`; default 0. */
  dropout?: number;
  /**
   * In training, a token takes its best experts (`"argmax"`, the default) or draws them from the softmax of its logits without
   * replacement (`"sample"`; DeepSpeed's `RSample`). How they are weighed stays the same. Draws go with neither `selectionBias`
   * nor `groupLimit`.
   */
  exploration?: "argmax" | "sample";
  /**
   * Which choices after the first are asked (GShard): `"all"` (the default); `"none"`; `"sampling"`: all, but drawn from the softmax
   * over the other experts; `"random"`: each with the probability `min(1, share / secondThreshold)`; `"threshold"`: those whose share
   * is above it. A share is a choice's part in the sum of the token's weights, before drops. One that is not asked shows as -1, holds
   * no slot, and still counts in the sum of `renormalize: "preDrop"`, which is GShard's.
   */
  secondPolicy?: "all" | "none" | "sampling" | "random" | "threshold";
  /** The same where `train` is false; default: as `secondPolicy`. */
  evalSecondPolicy?: "all" | "none" | "sampling" | "random" | "threshold";
  /** Above 0 and at most 1; default 0.5: GShard's. Mesh TensorFlow has 0.2. */
  secondThreshold?: number;
  /**
   * A token takes its best experts only until their scores are this share of all, above 0 and at most 1; never more than `k`.
   * One of `topP` and `minScore`, beside neither `selectionBias`, `groupLimit`, draws, nor a `secondPolicy`. Where a token takes
   * fewer than `k`, the rest of its row shows as -1.
   */
  topP?: number;
  /** A token takes only experts that score above this, from 0 to below 1; never more than `k`, and maybe none. */
  minScore?: number;
}

/**
 * Each token takes the `k` experts with the largest logits, in training with noise on them: Shazeer et al. 2017, and V-MoE
 * (Riquelme et al. 2021). The losses `importance` and `load` keep experts in use; `load` has a gradient because chance decides.
 */
export type NoisyTopKRouterConfig = {
  kind: "noisyTopK";
  /** Experts per token. */
  k: number;
} & (
  | {
      /** The width of the noise on a logit is `softplus(x · noise) + noiseEpsilon`; weights are a softmax over the chosen logits. */
      noise?: "learned";
      /** Least width of the noise; default 0.01. */
      noiseEpsilon?: number;
    }
  | {
      /** The width is `noiseStd / experts`, and weights are shares in the softmax over all logits, as in V-MoE. */
      noise: "fixed";
      /** Default 1. */
      noiseStd?: number;
    }
);

/** Each expert takes its best tokens of a group (Zhou et al. 2022): exactly balanced, none to several experts a token. */
export interface ExpertChoiceRouterConfig {
  kind: "expertChoice";
  /** Experts per token on average: each expert takes `ceil(S · capacityFactor / experts)` of `S` tokens; default 2. */
  capacityFactor?: number;
  /** Tokens that each expert takes, instead of a factor. */
  slots?: number;
  /**
   * Scores are shares of a token's softmax over experts, or of an expert's over the tokens of a group. Experts rank tokens by
   * them, so the two choose differently; default `"experts"`.
   */
  softmaxOver?: "experts" | "tokens";
  /**
   * No token has more experts. Pairs are taken by descending score while both sides have room, and experts that this leaves short
   * get their tokens by exchanges, up to 32 in a group: where most scores are equal, places may stay empty. `forward` refuses a
   * batch with more places than such tokens fill: code `TOO_MANY_PLACES`.
   */
  maxExpertsPerToken?: number;
  /** Rounds, up to 1000, in which tokens give back experts beyond `maxExpertsPerToken`; default 64. */
  rounds?: number;
}

/**
 * One expert a token and, in training, as many tokens for every expert, by an auction among the experts of a group (BASE layers,
 * Lewis et al. 2021). At inference each token takes its best expert, without any limit.
 *
 * A choice weighs `a = sigmoid(x·w)`, the only way for a gradient to the router. The output is `a·f(x)`, so that with the
 * caller's residual it is `x + a·f(x)`: the paper's `a·g(x) + (1 - a)·x` with its `g(x) = x + f(x)`.
 */
export interface BaseRouterConfig {
  kind: "base";
  /**
   * In training the tokens are routed in another, random order, which spreads each group's over all groups; default `true`. Two more
   * exchanges each way. The layer tells everything in the order of the tokens; `positions` are those of the group routed in.
   */
  shuffle?: boolean;
  /**
   * At most this many rounds of bids, up to 1000; default 150. Tokens that have no expert then get one by score. Each round is two
   * dispatches; those after the last one needed do nothing.
   */
  iterations?: number;
}

/** Tokens choose by logits that optimal transport has balanced in training (S-BASE, Clark et al. 2022). */
export interface SinkhornRouterConfig {
  kind: "sinkhorn";
  /** Experts per token. */
  k: number;
  /** Weight of the plan's entropy: smaller is closer to the best balanced assignment, and slower; default 1. */
  epsilon?: number;
  /** At most this many iterations, up to 1000; default 100. Each is two dispatches; those after the last one needed do nothing. */
  iterations?: number;
  /**
   * Stop when no price moves by this much, in units of `epsilon`; default 1e-4. Where logits are some thousand times
   * `epsilon` an f32 is coarser than that: the solver then runs to `iterations`.
   */
  tolerance?: number;
  /** Weigh by the sigmoid of the chosen logit, or by its share in the softmax; default `"sigmoid"`. */
  gate?: "sigmoid" | "softmax";
}

/** The expert is looked up by the token's id (Roller et al. 2021). Needs `tokenIds` in `forward`, unless `of: "position"`. */
export interface HashRouterConfig {
  kind: "hash";
  /**
   * `[vocabulary]`: the expert of every id, for example from `hashTable`. Several tables (MultiHash): table j is for the j-th equal
   * run of experts, each a segment of a token's hidden layer; the outputs of its segments are added.
   */
  table: Uint32Array | Uint32Array[];
  /** What is looked up: the token, the one before, a hash of both, its place, or (an upper bound) the next; default `"token"`. */
  of?: "token" | "previous" | "bigram" | "position" | "next";
}

/**
 * Each token names its best experts; each expert takes the best of those that named it. In rounds a token that is turned down, or
 * leaves an expert for a better one, gives others a chance. With `nominate: 1`: batch priority with k = 1 (V-MoE). With all
 * experts named: expert choice. With `k: 1, key: "arrival", immediate: true`: no-token-left-behind (Switch).
 */
export interface TokenThenExpertRouterConfig {
  kind: "tokenThenExpert";
  /** Experts that a token names. */
  nominate: number;
  /** Experts that a token keeps at most, the best of those that take it; default `nominate`. */
  k?: number;
  /** A token names no expert that it gives a smaller probability; default 0. */
  threshold?: number;
  /**
   * What experts rank tokens by: the probability, the logit, the probability less that of the best other expert (`"margin"`), the
   * same of other experts with room (`"regret"`), or who comes first (`"arrival"`); default `"prob"`.
   */
  key?: "prob" | "logit" | "margin" | "regret" | "arrival";
  /**
   * Deferred acceptance: a token with `k` experts is no longer asked by those that it likes less. Rounds then end with no token
   * and expert that would rather have each other; `read: ["solver"]` tells whether they did. Default `false`.
   */
  deferred?: boolean;
  /** In round j a token without `k` experts asks its j-th best; who is taken stays. Default `false`. */
  immediate?: boolean;
  /**
   * Rounds, one to three dispatches each, up to 1000; those after the last one needed do nothing. Default 1; 64 with `deferred`,
   * and always `nominate` with `immediate`.
   */
  rounds?: number;
  /** Each expert takes at most `ceil(S · k · capacityFactor / experts)` of a group's `S` tokens; default 1.25. */
  capacityFactor?: number;
  /** Tokens that each expert takes at most, instead of a factor. */
  slots?: number;
  /** Divide by the sum of the weights of the experts that took the token; default `false`. */
  renormalize?: boolean;
  /**
   * `"handshake"`: experts choose over the tokens of all devices. Nominations and replies are exchanged first, and rows only for
   * those that were accepted. Groups are then one by default, and may be any divisor of the devices. Default `"local"`.
   */
  exchange?: "local" | "handshake";
}

/**
 * Experts are drawn at random (THOR, Zuo et al. 2021): nothing is learned, and the output is the mean over the experts drawn.
 * A step of training makes two passes, `pass: 0` and `pass: 1` in `forward`, which draw apart, and `symmetricKl` of what a
 * model makes of them is part of its loss.
 */
export interface ThorRouterConfig {
  kind: "thor";
  /** What shares a draw: nothing, the tokens of a `sequence`, or all; default `"token"`. */
  per?: "token" | "sentence" | "batch";
  /** The same outside training, or the mean of all experts; default as `per`. */
  inference?: "token" | "sentence" | "batch" | "ensemble";
  /** Experts drawn at a time, all different; default 1. */
  k?: number;
}

/**
 * An expert for each domain of text (DEMix, Gururangan et al. 2021): that of the token's `domain` in `forward`, with weight 1; or, with a
 * `mixture`, all experts that weigh anything.
 */
export interface DomainRouterConfig {
  kind: "domain";
  /**
   * `[experts]`, from 0 on: the experts' weights for tokens of which `forward` says nothing. It makes room for all experts of every
   * token, and `forward` may give a `mixture` of its own. Without it every token needs a `domain`.
   */
  mixture?: Float32Array;
  /**
   * `"none"`: each virtual device must have the tokens of its experts, and nothing is exchanged; otherwise `forward` ends with
   * `EXPERT_ELSEWHERE`. `"all2all"`: tokens go wherever their expert is. Default `"none"`.
   */
  exchange?: "none" | "all2all";
}

/** An expert for each language, or group of languages (Fan et al. 2021). Needs `sourceLanguage` or `targetLanguage` in `forward`. */
export interface LanguageRouterConfig {
  kind: "language";
  /** Which language counts: in an encoder usually the source's, in a decoder the target's. */
  by: "source" | "target";
  /** `[languages]`: the expert of every language; default: as many languages as experts, an expert each. */
  table?: Uint32Array;
  /** As in `"domain"`; default `"all2all"`. */
  exchange?: "none" | "all2all";
}

/**
 * Each task takes its `k` best experts, for all of its tokens (Kudugunta et al. 2021): the router reads a learned embedding of the
 * task instead of the token. Needs `task` in `forward`. Not with `sharedExpert.gate`, which reads tokens.
 */
export interface TaskRouterConfig {
  kind: "task";
  /** Number of tasks. */
  tasks: number;
  /** Experts per task. */
  k: number;
  /** As in `"topK"`. */
  scoring?: "softmax" | "sigmoid";
  /** As in `"topK"`. */
  softmaxOver?: "all" | "selected";
  /** As in `"topK"`. */
  renormalize?: "none" | "preDrop" | "postDrop";
  /** As in `"topK"`. */
  scale?: number;
}

/**
 * One gate a task over the same experts (MMoE, Ma et al. 2018). The layer has an output for each task, `[tasks, T, dModel]`, as
 * have `dOutput` of `backward` and `routing.weights`; each expert is computed once for a token.
 */
export interface MultiGateRouterConfig {
  kind: "multiGate";
  /** Tasks, up to 64: `router` has the rows of the first task, then those of the second, and so on. */
  tasks: number;
  /** Experts that each task takes; default all. A token goes to those that any of its tasks took. */
  k?: number;
}

/**
 * Each token draws one expert by a policy, `softmax(h / temperature)`, that learns from rewards (REINFORCE, Williams 1992; RL-R,
 * Clark et al. 2022); outside training it takes the best. Outputs are not scaled, so that the router learns from the `reward` of
 * `backward` and from its losses alone.
 */
export interface ReinforceRouterConfig {
  kind: "reinforce";
  /** Logits are divided by this; default 1. */
  temperature?: number;
  /**
   * What rewards are compared with: nothing, the running mean of the batches before, or a linear function of the token, which is
   * one more row of `router`; default `"ema"`. The running mean stays on the device and is not among the weights.
   */
  baseline?: "none" | "ema" | "linear";
  /** How much of the running mean each batch keeps, at least 0 and below 1; default 0.9. */
  decay?: number;
  /** Weight of the policy's mean entropy, which is added to what is sought; default 0. */
  entropy?: number;
  /** Bring the advantages of a batch to mean 0 and variance 1; default `false`. */
  normalize?: boolean;
  /** The router's gradient does not reach `x`; default `true`. */
  stopGradient?: boolean;
}

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

/**
 * Tokens go to nearly all experts at first and in the end to one, as a temperature falls (EvoMoE, Nie et al. 2021). Outside
 * training each takes its best one.
 */
export interface DenseToSparseRouterConfig {
  kind: "denseToSparse";
  /** Steps until the temperature has fallen; the step is the one given to `forward`. */
  steps: number;
  /** Temperature at step 0; default 1. */
  startTemperature?: number;
  /** Temperature from step `steps` on, above 0; default 0.5. */
  endTemperature?: number;
  /** How it falls; default `"exponential"`. */
  schedule?: "exponential" | "linear";
  /** From this step on a token takes one expert; default `steps`. */
  hardAfter?: number;
  /** Until then it takes all whose share in `softmax((logits + Gumbel noise) / temperature)` exceeds this; default 0.001. */
  threshold?: number;
  /** Weigh by that share, or by the one in the softmax of the logits as they are; default `"gumbel"`. */
  gate?: "gumbel" | "softmax";
}

/** A router's description, discriminated by `kind`. */
export type RouterConfig =
  | TopKRouterConfig
  | NoisyTopKRouterConfig
  | ExpertChoiceRouterConfig
  | BaseRouterConfig
  | SinkhornRouterConfig
  | HashRouterConfig
  | TokenThenExpertRouterConfig
  | ThorRouterConfig
  | DomainRouterConfig
  | LanguageRouterConfig
  | TaskRouterConfig
  | MultiGateRouterConfig
  | DenseToSparseRouterConfig
  | ReinforceRouterConfig;

/** What a forward can bring back. */
export type ForwardRead = "output" | "routing" | "losses" | "traffic" | "scores" | "solver";
/** What a backward can brought back. */
export type BackwardRead = "x" | "weights" | "traffic";

/** How to run a forward. */
export interface ForwardOptions {
  /** Training: the router explores and the training capacity holds. Default `false`. */
  train?: boolean;
  /** Counts the random numbers: the same step draws the same. Default 0. */
  step?: number;
  /** Which pass of the step this is, where a step makes several: each has random numbers of its own. Below 2048; default 0. */
  pass?: number;
  /** `[T]`, for routers that use them. */
  tokenIds?: Uint32Array;
  /** Tokens of a sequence, for routers that look at a token's neighbours; default: the batch is one. */
  sequence?: number;
  /** `[T]`: the domain of each token's text, for `"domain"`. */
  domain?: Uint32Array;
  /** `[T, experts]`, from 0 on: how much each expert counts for each token, for a `"domain"` layer with a mixture. */
  mixture?: Float32Array;
  /** `[T]`: the language that each token's text is in, for `"language"` by source. */
  sourceLanguage?: Uint32Array;
  /** `[T]`: the language that it is to become, for `"language"` by target. */
  targetLanguage?: Uint32Array;
  /** `[T]`: the task of each token's text, for `"task"`. */
  task?: Uint32Array;
  /**
   * Stop once it is known who goes where: no expert runs. Neither output nor traffic can be read (by default routing and losses
   * are), and no backward follows. Default `false`.
   */
  routeOnly?: boolean;
  /**
   * `[T, experts]`: in training, the random numbers that the router adds to its logits, in place of those of the seed and the
   * step; to repeat what other code did. Standard normal for `noisyTopK`, Gumbel for
   * `denseToSparse`; refused by routers that add none.
   */
  draws?: Float32Array;
  /** What to bring back; default all but the scores and the solver; `[]` reads nothing and only waits. What was not read is absent. */
  read?: ForwardRead[];
  /** Ends the call with `ABORTED`; what the device has begun it finishes. */
  signal?: AbortSignal;
}

/** How to run a backward. */
export interface BackwardOptions {
  /**
   * `[T]`: how each token fared with the expert that it drew, such as the logarithm of the probability of the word that came
   * next; for `reinforce`, after a forward in training. Without it the router learns from its losses and entropy alone.
   */
  reward?: Float32Array;
  /** What to bring back; default all. */
  read?: BackwardRead[];
}

/** One step of gradient descent. */
export interface GradientUpdate {
  kind: "sgd";
  /** Weights become `w - learningRate · gradient`. */
  learningRate: number;
}

/**
 * A sparse layer on a runtime's device. Calls on one layer run one after another, in the order they were made.
 * An array handed to a call is read while it runs: leave it as it is until the promise settles.
 * A call that fails leaves the layer as it was.
 */
export interface MoeLayer {
  /** The description, with every default filled in. */
  readonly config: LayerConfig;
  /** Copies of all weights. */
  weights(): Promise<LayerWeights>;
  /**
   * Replaces the arrays given.
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `UNKNOWN_WEIGHTS`, `WRONG_LENGTH`, `NON_FINITE`, `BEYOND_WIDTH`, `DISPOSED`.
   */
  setWeights(weights: Partial<LayerWeights>): Promise<void>;
  /**
   * Runs the layer.
   * @param x `[T, dModel]`; T = 0 is legal.
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `WRONG_LENGTH`, `MISSING_LABELS`, `EXPERT_ELSEWHERE`, `TOKENS_NOT_DIVISIBLE`,
   * `TOO_MANY_PLACES`, `TOO_LARGE`, `UNKNOWN_READ`, `ABORTED`, `DEVICE_LOST`, `OUT_OF_MEMORY`, `DISPOSED`.
   */
  forward(x: Float32Array, options?: ForwardOptions): Promise<LayerOutput>;
  /**
   * Gradients of the last forward: of `sum(output · dOutput)` plus the weighted losses.
   * @param dOutput as the output: `[T, dModel]`, or `[tasks, T, dModel]`.
   * @throws {@link WebMoeError} as `forward`, and `OUT_OF_ORDER` where no forward came first.
   */
  backward(dOutput: Float32Array, options?: BackwardOptions): Promise<LayerGradients>;
  /**
   * The `k` experts of one task as a layer of their own, for a layer of kind `"task"`: it is dropless, on one device, and needs no
   * `task`. Of the task's tokens it makes, bit for bit on the same device, what the whole layer makes where that drops none.
   * @throws {@link WebMoeError} `INVALID_ARGUMENT` for another router, a task that is not there, or identities; `DISPOSED`.
   */
  taskNetwork(task: number): Promise<TaskNetwork>;
  /**
   * Moves the weights by the gradients of the last backward, on the device.
   * @throws {@link WebMoeError} `INVALID_ARGUMENT`, `OUT_OF_ORDER`, `DISPOSED`.
   */
  applyGradients(update: GradientUpdate): Promise<void>;
  /** Frees the layer's buffers, after the call under way; later calls end with `DISPOSED`. Idempotent. */
  dispose(): void;
  /** `dispose()`, for `using`, where the platform has `Symbol.dispose`. */
  [Symbol.dispose](): void;
}

/**
 * A layer's weights: row-major, `[out, in]` as in Hugging Face checkpoints.
 * Where there are `identityExperts`, which have no weights, `experts` below is the number of the others, but for the router.
 * With `expertWidths`, rows of w1, w3, b1 and b3 and columns of w2 beyond an expert's width are 0.
 */
export interface LayerWeights {
  /** `[experts, dModel]`, all of them; one row more with the linear baseline of `reinforce`, `[tasks, experts, dModel]` with `multiGate` */
  router: Float32Array;
  /** `[experts]`, all of them, with `routerBias`: one for each row of `router` */
  routerBias?: Float32Array;
  /** `[experts, dFf, dModel]` */
  w1: Float32Array;
  /** `[experts, dModel, dFf]` */
  w2: Float32Array;
  /** `[experts, dFf, dModel]`, with `gated` */
  w3?: Float32Array;
  /** `[experts, dFf]`, with `bias` */
  b1?: Float32Array;
  /** `[experts, dModel]`, with `bias` */
  b2?: Float32Array;
  /** `[experts, dFf]`, with `bias` and `gated` */
  b3?: Float32Array;
  /** `[sharedExpert.dFf, dModel]` */
  sharedW1?: Float32Array;
  /** `[dModel, sharedExpert.dFf]` */
  sharedW2?: Float32Array;
  /** `[sharedExpert.dFf, dModel]`, with `gated` */
  sharedW3?: Float32Array;
  /** `[dModel]`, with `sharedExpert.gate` */
  sharedGate?: Float32Array;
  /** `[experts, dModel]`, all of them, with learned noise: the width of the noise on the router's logits */
  noise?: Float32Array;
  /** `[tasks, dModel]`, of a `"task"` layer: what its router reads */
  taskEmbedding?: Float32Array;
}

/** The experts of one task. */
export interface TaskNetwork {
  /** For `createLayer`. */
  config: LayerConfig;
  /** For `setWeights`. */
  weights: LayerWeights;
}

/** What a forward brings back; what was not read is absent. */
export interface LayerOutput {
  /** `[T, dModel]`, or `[tasks, T, dModel]` with `multiGate`: the sum over kept experts; a dropped token's row is 0 (the residual is the caller's). */
  output: Float32Array;
  /** Which token went where. */
  routing: Routing;
  /** Unweighted: `loadBalance` (E·Σ f·P, mean over groups), `z`, `importance`, `load`, as the router defines them. */
  losses: Record<string, number>;
  /** What crossed between the virtual devices. */
  traffic: Traffic;
  /** `[T, experts]`: the router's scores of all experts, `[T, tasks, experts]` with `multiGate`; only where asked for. */
  scores?: Float32Array;
  /** How the router's solver ended; only where asked for and one ran. */
  solver?: Solver;
}

/** How the solver of each routing group ended. */
export interface Solver {
  /** `[groups]`: iterations made, or rounds; as many as there may be if it did not converge. */
  iterations: Uint32Array;
  /**
   * `[groups]`: of an auction: tokens without a bid in the last round, which got an expert by score; 0 if it ended by itself. Those
   * that are made up where tokens do not divide among the experts count, too.
   */
  repaired?: Uint32Array;
  /** `[groups]`: the largest change of a price in the last iteration, in units of `epsilon`; of Sinkhorn. */
  change?: Float32Array;
  /** `[groups]`: times that a token left an expert in the last round; 0: another round would change nothing. Of rounds. */
  left?: Uint32Array;
}

/** The assignments of tokens to experts. `slots`: k, or the most experts that any token got. */
export interface Routing {
  /** T. */
  tokens: number;
  /** Columns of the arrays below. */
  slots: number;
  /** `[tokens, slots]`, -1 = none. */
  experts: Int32Array;
  /** `[tokens, slots]`, the gate value used in the output; `[tasks, tokens, slots]` with `multiGate`. */
  weights: Float32Array;
  /** `[tokens, slots]`, place in the expert's buffer, -1 = none or dropped. */
  positions: Int32Array;
  /** `[tokens, slots]`, 1 = kept. */
  kept: Uint8Array;
  /** `[experts]`, assignments before drops. */
  demanded: Uint32Array;
  /** `[experts]`, assignments kept. */
  load: Uint32Array;
}

/** One all2all between the virtual devices. */
export interface Exchange {
  pass: "forward" | "backward";
  op: "shuffle" | "dispatch" | "combine" | "unshuffle" | "nominate" | "reply" | "counts";
  kind: "payload" | "meta";
  /** `[devices, devices]`, from row i to column j, on the wire (padding included); the diagonal is local. */
  bytes: Float64Array;
  /** `[devices, devices]`, the same without padding. */
  usefulBytes: Float64Array;
}

/** Bytes that moved between the virtual devices, counted while they moved. */
export interface Traffic {
  devices: number;
  exchanges: Exchange[];
  /** Off-diagonal sum over all exchanges. */
  networkBytes: number;
}

/** How far two predictions are apart, as {@link symmetricKl} finds it. */
export interface SymmetricKl {
  /** The sum over rows, in nats. */
  value: number;
  /** `[rows]`: of each. */
  rows: Float32Array;
  /** `[rows, classes]`: gradient of the sum by the first logits. */
  a: Float32Array;
  /** `[rows, classes]`: gradient of the sum by the second ones. */
  b: Float32Array;
}

/** Gradients, shaped as the weights; what was not read is absent. */
export interface LayerGradients extends LayerWeights {
  /** `[T, dModel]` */
  x: Float32Array;
  /** What crossed between the virtual devices in the backward pass. */
  traffic: Traffic;
}
