/** Sentences about routers side by side. */

import { ownFields, type RouterChoice } from "../routers";
import { cardOf } from "./cards";
import type { Compared } from "./comparison";
import type { Focus } from "./focus";
import { counted, decimal, listed } from "./format";
import { read, type Reading } from "./read";

/** What that which is pointed at was compared with, and what came of it. */
export function tellComparedWith(focus: Focus, reading: Reading): string {
  if (focus.kind === "token") return `${tokenWith(focus, reading)} ${outcome(focus.index, reading)}`;
  if (focus.kind === "expert") return expertWith(focus.index, reading);
  return "";
}

function tokenWith({ expert }: Focus, { compares, experts, groups, tokens, values, slots, router }: Reading): string {
  const inGroup = tokens / groups;
  const others = `${counted(inGroup - 1, "other token")} of its group`;
  const who = expert === undefined ? "Every expert" : `Expert ${expert}`;
  switch (compares) {
    case "column":
      return `Its ${counted(experts, "score")} are compared with each other.`;
    case "row":
      return `${who} compares it with the ${others}.`;
    case "columnThenRow":
      return `First its ${counted(experts, "score")} are compared with each other; then each expert that it named compares it with others of its group.`;
    case "whole":
      return `All ${counted(experts * inGroup, "score")} of its group are weighed together.`;
    case "nothing":
      return `Nothing is compared: ${router.tell(values, slots)}.`;
    default:
      return compares satisfies never;
  }
}

function outcome(token: number, { router, choices }: Reading): string {
  if (router.mixes) return "Every expert gets something of it.";
  const experts = (kept: boolean) => choices[token]!.filter((choice) => choice.kept === kept).map(({ expert }) => String(expert));
  const named = (list: string[]) => `${list.length === 1 ? "expert" : "experts"} ${listed(list, "and")}`;
  const [kept, dropped] = [experts(true), experts(false)];
  const full = dropped.length === 0 ? "" : ` ${dropped.length === 1 ? "Expert" : "Experts"} ${listed(dropped, "and")} turned it away.`;
  return kept.length === 0 ? `No expert serves it.${full}` : `It goes to ${named(kept)}.${full}`;
}

function expertWith(expert: number, { router: { mixes }, compares, choices, experts, groups, tokens, slots }: Reading): string {
  const inGroup = tokens / groups;
  const own = choices.flat().filter((choice) => choice.expert === expert);
  const kept = own.filter((choice) => choice.kept).length;
  const gets = `Expert ${expert} gets ${counted(kept, "token")}${own.length === kept ? "" : ` and turns ${own.length - kept} away`}`;
  const each = groups === 1 ? "all tokens" : `the ${inGroup} tokens of each group`;
  if (mixes) return `Expert ${expert} gets ${counted(slots ?? 0, "mixture")} of ${each}.`;
  switch (compares) {
    case "column":
      return `${gets}: each of them compared its own ${counted(experts, "score")}.`;
    case "row":
      return `${gets}: it compared ${each}${slots === null ? "" : ` and took ${slots}`}.`;
    case "columnThenRow":
      return `${gets}: it compared those of ${each} that named it.`;
    case "whole":
      return `${gets}, after all scores of a group were weighed together.`;
    case "nothing":
      return `${gets}, without a comparison.`;
    default:
      return compares satisfies never;
  }
}

/** A router's name, with what sets it apart from others of its kind. */
export function nameAmong(router: RouterChoice, all: readonly RouterChoice[]): string {
  const { name } = cardOf(router.kind);
  if (all.filter(({ kind }) => kind === router.kind).length < 2) return name;
  const own = ownFields(router).map(([field, value]) => `${field} ${value}`);
  return `${name}, ${own.length === 0 ? "as it comes" : own.join(", ")}`;
}

/** The comparison in one breath. */
export function tellComparison(compared: readonly Compared[]): string {
  const all = compared.map(({ router }) => router);
  const ran = compared.flatMap(({ snapshot, router }) => (snapshot ? [{ name: nameAmong(router, all), reading: read(snapshot) }] : []));
  if (ran.length === 0) return "No router has run yet.";
  const peaks = ran.map(({ name, reading }) => `${name} ${decimal(reading.peak, 2)}`);
  const drops = ran.map(({ name, reading }) => `${name} ${reading.dropped}`);
  const unserved = ran.map(({ name, reading }) => `${name} ${reading.unserved}`);
  return `The busiest expert over the mean: ${peaks.join(", ")}. Dropped: ${drops.join(", ")}. Tokens that no expert serves: ${unserved.join(", ")}.`;
}
