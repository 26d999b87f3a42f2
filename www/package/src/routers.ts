/** The routers that a layer may have, as the package's users see them: one description each. */

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
 * With `branches` a token chooses twice: branches of the experts, then experts in each (the hierarchical form).
 */
export type NoisyTopKRouterConfig = {
  kind: "noisyTopK";
  /** Experts per token, or in each of its branches. */
  k: number;
} & (
  | {
      /** The width of the noise on a logit is `softplus(x · noise) + noiseEpsilon`; weights are a softmax over the chosen logits. */
      noise?: "learned";
      /** Least width of the noise; default 0.01. */
      noiseEpsilon?: number;
      /**
       * Equal runs of the experts, which a token chooses among first, by rows of `router` and `noise` of their own; a divisor of
       * `experts`. Default: none.
       */
      branches?: number;
      /** How many of them a token chooses, each with `k` experts; only beside `branches`. Default 2, or 1 of 1. */
      branchK?: number;
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
  /**
   * How `maxExpertsPerToken` is kept. `"greedy"` keeps it, as above. `"dykstra"` is the paper's way: experts rank tokens by the shares of
   * a soft plan that keeps all bounds, and take the largest ones. Experts are full, but a token may get more experts than it
   * should; `read: ["solver"]` counts such tokens. Default `"greedy"`.
   */
  capMode?: "greedy" | "dykstra";
  /** Weight of the soft plan's entropy: the smaller, the nearer to whole choices, and the slower; default 0.001. */
  entropyWeight?: number;
  /** Times that the soft plan goes back to each bound, up to 1000, two dispatches each; default 100. */
  iterations?: number;
  /**
   * `"threshold"`: an expert takes every token whose score reaches its threshold, so that no token's experts depend on later ones, as a
   * causal language model needs it; with `maxExpertsPerToken` a token keeps its best. Thresholds are the array `thresholds` of the
   * weights; each is a running mean of the score of the last token that the expert would have taken of past batches in training. A
   * pass in training goes by those from before it; outside training they are only read. Until there is one, every token is taken.
   * Loads are only about even then; the layer's `capacity` holds, by arrival, token by token. With `softmaxOver: "experts"` alone.
   */
  causal?: "threshold";
  /** What a batch leaves of a threshold, at least 0 and below 1; default 0.99. */
  thresholdDecay?: number;
}

/**
 * One expert a token and, in training, as many tokens for every expert, by an auction among the experts of a group and trades after it
 * (BASE layers, Lewis et al. 2021). At inference each token takes its best expert, without any limit.
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
  /**
   * At most this many rounds of trades after the auction, up to 1000; default 64. In each, experts that stand in a circle pass a
   * token on, wherever that adds to the sum of scores; the rounds end when nothing does. 0: the auction alone, some hundredths below
   * the best sum. Each round is two dispatches; those after the last one needed do nothing.
   */
  trades?: number;
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
  /** `[experts]`, each above 0: what part of the tokens each expert is to get, in any unit; default: as many each. */
  shares?: Float32Array;
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
  /**
   * `"threshold"`: an expert takes whoever named it with a key that reaches its threshold, as with expert choice, and a token keeps its
   * best `k`. A threshold follows the key of the last of the expert's places, or the least key of all tokens where too few named it;
   * those places bound nothing then, the layer's `capacity` does. In one round, `"local"`, and not with the key `"arrival"`;
   * `"regret"` is `"margin"`.
   */
  causal?: "threshold";
  /** What a batch leaves of a threshold, at least 0 and below 1; default 0.99. */
  thresholdDecay?: number;
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
 * Every expert gets mixtures of a group's tokens in place of tokens, as many as it has slots (Soft MoE, Puigcerver et al. 2023): the
 * input of a slot is the mean of the tokens by the softmax of its logits over them, and the output of a token the mean of all
 * slots' outputs by the softmax of its logits over these. Nothing is dropped, and every load is the same. Not causal. Not with a
 * `capacity` or `residual`, and without losses.
 *
 * `routing` has every token with all experts, weighed by what their slots are of its output, and no positions; `scores` are
 * `[T, experts, slots]`: what each token is of each slot's input.
 */
export interface SoftRouterConfig {
  kind: "soft";
  /** Slots of each expert in each group; `experts · slots` at most 65535. `router` has an embedding for each, those of an expert together. */
  slots: number;
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

/**
 * A bandit for each token id, whose arms are the experts: each token pulls one, and the `reward` of `backward` tells what it was worth.
 * How often each id has pulled each expert, and the mean of its rewards, are the arrays `banditPulls` and `banditMeans` of the
 * weights. They have no gradient: `applyGradients` adds the rewards of the last backward to them, or of several with `accumulate`,
 * whatever the learning rate. A token that was turned away teaches nothing. Outside training a token pulls the expert of which it expects most. Needs `tokenIds`
 * in `forward`.
 */
export type BanditRouterConfig = {
  kind: "bandit";
  /** Ids that there are: with `experts` of each, at most 2²⁴ pairs. */
  vocabulary: number;
  /** What is expected of an expert that was never pulled; default 0. */
  priorMean?: number;
} & (
  | {
      /** Any expert for some tokens, the best for the others. */
      policy?: "epsilonGreedy";
      /** The share of tokens that take any, from 0 to 1; default 0.1. */
      epsilon?: number;
    }
  | {
      /** The best `mean + exploration · √(ln N / n)` of an expert pulled `n` times of the id's `N`; those never pulled first (UCB1). */
      policy: "ucb";
      /** From 0 on; default √2, for rewards from 0 to 1. */
      exploration?: number;
    }
  | {
      /** The best of one draw for each expert of what it may be worth by its rewards so far, all taken for normal (Thompson sampling). */
      policy: "thompson";
      /** Standard deviation of what an expert is worth, around `priorMean`; default 1. */
      priorStd?: number;
      /** Standard deviation of a reward, around what its expert is worth; default 1. */
      noiseStd?: number;
    }
);

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
  | SoftRouterConfig
  | DenseToSparseRouterConfig
  | ReinforceRouterConfig
  | BanditRouterConfig;
