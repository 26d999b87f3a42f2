/** What the page knows of a kind of router: everything that differs between kinds is in one such description. */

import type { ForwardOptions, RouterConfig } from "webmoe";
import type { Token } from "../lib/tokenize";

/** A router's settings by name, as the visitor left them. */
export type Values = Record<string, number | string>;

/** What a description of a router may depend on besides its own settings. */
export interface Surroundings {
  experts: number;
  /** Tokens of the text, padding included. */
  tokens: readonly Token[];
}

interface Named {
  /**
   * As the address has it; like the package's name where there is one. No setting of the layer may have the same, nor a
   * setting of the same name elsewhere another meaning.
   */
  name: string;
  label: string;
  hint?: string;
  /** Whether it has a meaning now; without it: always. */
  shown?: (values: Values) => boolean;
}

/** A number on a scale. */
export interface Scale extends Named {
  as: "scale";
  initial: number;
  min: number;
  /** The most that makes sense with so many experts, and with the settings before it. */
  max: (experts: number, values: Values) => number;
  step?: number;
  /** The value in words, where the number does not say it all. */
  text?: (value: number, most: number) => string;
  /** What to say where the wish is more than the most. */
  tooMuch?: (wish: number, most: number) => string;
}

/** One of a few numbers. */
export interface Few extends Named {
  as: "few";
  initial: number;
  /** Those on offer, rising; where the number of experts decides, no others make sense. */
  values: readonly number[] | ((experts: number) => readonly number[]);
  text?: (value: number) => string;
}

/** One of a few words. */
export interface Words extends Named {
  as: "words";
  initial: string;
  options: readonly { value: string; label: string }[];
}

export type Control = Scale | Few | Words;

/**
 * What a score is compared with before anyone is chosen, in the matrix whose rows are experts and whose columns are tokens:
 * those of its column, those of its row, first those and then these, all of its group, or nothing.
 */
export type Compares = "column" | "row" | "columnThenRow" | "whole" | "nothing";

/** What is said of the tokens of a batch. */
export type Labels = Pick<
  ForwardOptions,
  "tokenIds" | "domain" | "mixture" | "sourceLanguage" | "targetLanguage" | "task" | "sequence"
>;

/** Slots of an expert in each group, and the sum that gives them. */
export interface Slots {
  slots: number;
  sum: string;
}

/** What devices tell each other before rows move. */
export interface Handshake {
  /** Experts that each token names, its best ones. */
  named: number;
  /** Rounds of answers. */
  rounds: number;
}

/** A kind of router. Its name and its card are in `docs/ROUTING.md`. */
export interface RouterKind {
  kind: RouterConfig["kind"];
  controls: readonly Control[];
  /** By its settings, where these decide. */
  compares: Compares | ((values: Values) => Compares);
  /** Losses that a step of training can follow; none where nothing is learned. */
  losses: readonly ("loadBalance" | "z")[];
  /** Why a step of training would change nothing, where it would not. */
  still?: string;
  /** Whether experts get mixtures of all tokens of a group in place of tokens: one for each slot, which has scores of its own. */
  mixes?: true;
  /** The package's description, from settings that fit. */
  config(values: Values, around: Surroundings): RouterConfig | Promise<RouterConfig>;
  /** What it must be told of the tokens. */
  labels?(values: Values, around: Surroundings): Labels;
  /** The slots that the router fills itself, of a group of `tokens`, `null` without a limit; without it the layer's capacity holds. */
  slots?(values: Values, tokens: number, experts: number): Slots | null;
  /** Where devices agree on who goes where before any row moves, and all tokens are one group: how. Without it they never do. */
  handshake?(values: Values): Handshake | null;
  /** Who takes what: the end of a sentence about the scores, or about the lack of them; `slots` of an expert in each group. */
  tell(values: Values, slots: number | null): string;
}

/** What a router of these settings compares a score with. */
export const comparing = ({ compares }: RouterKind, values: Values): Compares => (typeof compares === "function" ? compares(values) : compares);

/** A number among the values. */
export const number = (values: Values, name: string): number => Number(values[name]);

/** A word among the values, of the words that its control offers. */
export const word = <T extends string>(values: Values, name: string): T => values[name] as T;

/** The numbers that a control offers. */
export const offered = ({ values }: Few, experts: number): readonly number[] => (typeof values === "function" ? values(experts) : values);
