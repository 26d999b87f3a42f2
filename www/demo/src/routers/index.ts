/** The kinds of routers that the page offers, and a visitor's choice among them. */

import type { RouterConfig } from "webmoe";
import { bandit } from "./bandit";
import { base } from "./base";
import { denseToSparse } from "./denseToSparse";
import { domain } from "./domain";
import { expertChoice } from "./expertChoice";
import { hash } from "./hash";
import type { Control, RouterKind, Values } from "./kind";
import { language } from "./language";
import { multiGate } from "./multiGate";
import { noisyTopK } from "./noisyTopK";
import { reinforce } from "./reinforce";
import { sinkhorn } from "./sinkhorn";
import { soft } from "./soft";
import { task } from "./task";
import { thor } from "./thor";
import { tokenThenExpert } from "./tokenThenExpert";
import { topK } from "./topK";

export const ROUTERS: readonly RouterKind[] = [
  topK,
  noisyTopK,
  expertChoice,
  base,
  sinkhorn,
  hash,
  tokenThenExpert,
  thor,
  domain,
  language,
  task,
  multiGate,
  soft,
  denseToSparse,
  reinforce,
  bandit,
];

/** A router as the visitor chose it. */
export interface RouterChoice {
  kind: RouterConfig["kind"];
  values: Values;
}

export const kindOf = (kind: string): RouterKind => ROUTERS.find((router) => router.kind === kind) ?? topK;

/** A router with the settings given, everything else at its first value. */
export function routerOf(kind: RouterConfig["kind"], values: Values = {}): RouterChoice {
  const initial = kindOf(kind).controls.map(({ name, initial }) => [name, initial]);
  return { kind, values: { ...Object.fromEntries(initial), ...values } };
}

/** The settings that are not at their first value, by name. */
export const ownFields = ({ kind, values }: RouterChoice): [string, string][] =>
  kindOf(kind).controls
    .filter(({ name, initial }) => values[name] !== initial)
    .map(({ name }) => [name, String(values[name])]);

/** A router from fields of an address; what has no meaning is as at first. */
export function fromFields(kind: string, field: (name: string) => string | null): RouterChoice {
  const router = routerOf(kindOf(kind).kind);
  for (const control of kindOf(kind).controls) {
    const value = meant(control, field(control.name));
    if (value !== undefined) router.values[control.name] = value;
  }
  return router;
}

function meant(control: Control, text: string | null): number | string | undefined {
  if (text === null) return undefined;
  if (control.as === "words") return control.options.find(({ value }) => value === text)?.value;
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : undefined;
}

/** Several routers as one field of an address, in letters that it keeps as they are: `topK_k-1*hash`. */
export const toList = (routers: readonly RouterChoice[]): string =>
  routers.map((router) => [router.kind, ...ownFields(router).map(([name, text]) => `${name}-${text}`)].join("_")).join("*");

/** The routers of such a field; kinds that are not known are left out. */
export function fromList(list: string): RouterChoice[] {
  return list
    .split("*")
    .filter((one) => ROUTERS.some(({ kind }) => kind === one.split("_", 1)[0]))
    .map((one) => {
      const [kind = "", ...own] = one.split("_");
      const fields = new Map(own.map((field) => [field.slice(0, field.indexOf("-")), field.slice(field.indexOf("-") + 1)]));
      return fromFields(kind, (name) => fields.get(name) ?? null);
    });
}

/** A router's settings made to fit the number of experts, and what had to give way, in sentences. */
export function fitRouter({ kind, values }: RouterChoice, experts: number): { values: Values; notes: string[] } {
  const fitted: Values = { ...values };
  const notes: string[] = [];
  for (const control of kindOf(kind).controls) {
    const wish = values[control.name];
    const fits = typeof wish === "number" ? fitting(control, wish, experts, fitted) : undefined;
    if (fits === undefined || fits === wish) continue;
    fitted[control.name] = fits;
    notes.push(
      control.as === "scale" && control.tooMuch
        ? control.tooMuch(Number(wish), Number(fits))
        : `${control.label}: ${wish} does not go with ${experts} experts, so it is ${fits}.`,
    );
  }
  return { values: fitted, notes };
}

/** The nearest number that makes sense, where that depends on the experts or on the settings before it, which fit. */
function fitting(control: Control, wish: number, experts: number, values: Values): number | undefined {
  if (control.as === "scale") return Math.min(wish, control.max(experts, values));
  if (control.as === "few" && typeof control.values === "function") return nearest(control.values(experts), wish);
  return undefined;
}

/** The largest of rising numbers that is not above the wish, else the least. */
export const nearest = (rising: readonly number[], wish: number): number | undefined =>
  rising.findLast((one) => one <= wish) ?? rising[0];
