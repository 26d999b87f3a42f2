/// <reference lib="esnext.disposable" preserve="true" />

/**
 * The public types. Sizes: `T` tokens, `dModel` the width of a token, `dFf` the hidden width of an expert,
 * `experts` their number. Every array is row-major; shapes are written beside it.
 */

import type { RouterConfig } from "./routers.js";

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
  /**
   * Losses added in backward by their weights, such as `{ loadBalance: 0.01, z: 0.001 }`; default none. What they are,
   * `losses` of {@link LayerOutput} says. GShard's, as in Mesh TensorFlow: `{ loadBalanceFirst: w, secondPlace: w / 2 }`.
   */
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
  /**
   * Who keeps a place: the first to come, tokens by their best score, an expert's best, or a random order; with a router's `causal`
   * only the first to come.
   */
  priority?: "arrival" | "batch" | "weight" | "random";
  /** All first choices before second ones, or token by token; with a router's `causal` only token by token, which is the default then. */
  order?: "rank" | "token";
};

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
   * The random numbers that routing goes by, in place of those of the seed and the step; to repeat what other code did.
   * - `[T, experts]`, standard normal: for `noisyTopK`, in training; with `branches` `[T, experts + branches]`
   * - `[T, experts]`, Gumbel: for `denseToSparse`, and for `topK` with `exploration: "sample"`, in training; for `topK` where the
   *   policy for second choices is `"sampling"`
   * - `[T, k]`, from 0 to 1: for `topK` where that policy is `"random"`: a choice is asked if its number times
   *   `secondThreshold` is below its share; nothing hangs on those of first choices.
   *
   * A pass that uses none leaves them unread; routers that never do refuse them. Jitter and dropout keep numbers of their own.
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
   * `[T]`: how each token fared with the expert that it drew or pulled, such as the logarithm of the probability of the word that
   * came next; for `reinforce` and `bandit`, after a forward in training. Without it `reinforce` learns from its losses and entropy
   * alone, and `bandit` nothing.
   */
  reward?: Float32Array;
  /**
   * Add to the gradients of weights since the last `applyGradients`, if there are any, instead of replacing them: those of several
   * batches, or of the two passes of a THOR step. The gradient of `x` is that of the pass alone. Default `false`.
   */
  accumulate?: boolean;
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
   * Moves the weights by the gradients of the last backward, on the device; a bandit learns its rewards.
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
  /**
   * `[experts, dModel]`, all of them; one row more with the linear baseline of `reinforce`, one for each branch behind them with
   * `branches`, `[tasks, experts, dModel]` with `multiGate`, `[experts, slots, dModel]` with `soft`
   */
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
  /** As `router`, with learned noise: the width of the noise on the router's logits */
  noise?: Float32Array;
  /** `[tasks, dModel]`, of a `"task"` layer: what its router reads */
  taskEmbedding?: Float32Array;
  /**
   * `[experts]`, with `causal: "threshold"`: the least key of a token that each expert takes; -3.4028235e38, the least number that there
   * is, where no pass in training has set one. `forward` in training moves them; their gradient is 0.
   */
  thresholds?: Float32Array;
  /** `[vocabulary, experts]`, of a `"bandit"`: how often each id has pulled each expert, whole numbers. No gradient has it. */
  banditPulls?: Float32Array;
  /** `[vocabulary, experts]`, of a `"bandit"`: the mean reward of those pulls. No gradient has it. */
  banditMeans?: Float32Array;
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
  /**
   * Unweighted: `loadBalance` (E·Σ f·P, mean over groups), `loadBalanceFirst` (the same, `f` counting first choices alone), `z`,
   * `importance`, `load`, as the router defines them. Where `lossWeights` has a weight for it, 0 perhaps, also `secondPlace`,
   * of `topK` with two choices of a softmax (neither `prototypes` nor `topP` nor `minScore`): E·Σ f·P, mean over groups, where
   * `f` is an expert's share of the second choices, before policies and drops and without a gradient, and `P` the mean of its
   * part in the softmax over all experts but a token's first choice.
   */
  losses: Record<string, number>;
  /** What crossed between the virtual devices. */
  traffic: Traffic;
  /** `[T, experts]`: the router's scores of all experts, `[T, tasks, experts]` with `multiGate`, `[T, experts, slots]` with `soft`; only where asked for. */
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
  /**
   * `[groups]`: times that a token left an expert in the last round; 0: another round would change nothing. Of rounds in which experts
   * choose, and of those in which they trade.
   */
  left?: Uint32Array;
  /** `[groups]`: tokens with more experts than `maxExpertsPerToken`; of `capMode: "dykstra"`. */
  over?: Uint32Array;
  /** `[groups]`: rounds of trades made after an auction. */
  trades?: Uint32Array;
  /** `[groups]`: times that a token went to another expert in any of them; those of made-up tokens count, too. */
  traded?: Uint32Array;
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
  /** `[tokens, slots]`, place in the expert's buffer, -1 = none or dropped, and of all with `soft`, whose slots hold mixtures. */
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
