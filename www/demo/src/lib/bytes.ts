/** The bytes that the layer counted, and the formula that should give the same. */

import type { Traffic } from "webmoe";
import type { Handshake } from "../routers/kind";
import { count } from "./format";
import type { Reading } from "./read";

type Exchange = Traffic["exchanges"][number];
export type Op = Exchange["op"];

/** Bytes of a float. */
const FLOAT = 4;

/** Bytes of a nomination: a key and a token. */
const NOMINATION = 8;

/** A part of the network total: what the formula says, with its numbers, and what was counted. */
export interface Part {
  op: Op;
  symbols: string;
  numbers: string;
  formula: number;
  counted: number;
}

/** Bytes that leave their device. */
export function network(matrix: Float64Array, devices: number): number {
  return matrix.reduce((sum, b, i) => (Math.floor(i / devices) === i % devices ? sum : sum + b), 0);
}

export const exchangeOf = (traffic: Traffic, op: Op): Exchange | undefined =>
  traffic.exchanges.find((exchange) => exchange.op === op);

/** Every exchange's total on the network, counted and by the formula, which reads the routing alone. */
export function parts(traffic: Traffic, reading: Reading, width: number): Part[] {
  return traffic.exchanges.map((exchange) => ({
    op: exchange.op,
    ...formulaOf(exchange.op, reading, width),
    counted: network(exchange.bytes, traffic.devices),
  }));
}

function formulaOf(op: Op, reading: Reading, width: number): Omit<Part, "op" | "counted"> {
  const { devices: n, experts, groups, slots, router, values } = reading;
  const pairs = n * (n - 1);
  const handshake = router.handshake?.(values) ?? null;
  if (handshake && (op === "nominate" || op === "reply")) return agreement(op, handshake, reading);
  if (op === "counts") {
    return {
      symbols: "N(N−1) · E/N · 4 B",
      numbers: product(pairs, experts / n, FLOAT),
      formula: pairs * (experts / n) * FLOAT,
    };
  }
  if (op === "shuffle" || op === "unshuffle") {
    const moved = dealtAway(reading);
    return {
      symbols: "tokens that are dealt to a group elsewhere · d · 4 B",
      numbers: product(moved, width, FLOAT),
      formula: moved * width * FLOAT,
    };
  }
  if (slots === null || handshake) {
    const moved = reading.choices.flat().filter((choice) => choice.kept && choice.from !== choice.to).length;
    return {
      symbols: "choices that leave their device · d · 4 B",
      numbers: product(moved, width, FLOAT),
      formula: moved * width * FLOAT,
    };
  }
  return {
    symbols: "N(N−1) · E/N · G/N · C · d · 4 B",
    numbers: product(pairs, experts / n, groups / n, slots, width, FLOAT),
    formula: pairs * (experts / n) * (groups / n) * slots * width * FLOAT,
  };
}

/** Tokens that a shuffle takes to another device: all in a line, group after group, they are dealt out to the groups in turn. */
function dealtAway({ tokens, devices, groups }: Reading): number {
  const leaves = (at: number) => Math.floor((at * devices) / tokens) !== Math.floor(((at % groups) * devices) / groups);
  return Array.from({ length: tokens }, (_, at) => at).filter(leaves).length;
}

/** Nominations once, then bits, a whole byte at least from a device to another: a yes a round, and who leaves between two of them. */
function agreement(op: "nominate" | "reply", { named, rounds }: Handshake, reading: Reading): Omit<Part, "op" | "counted"> {
  const between = nominations(named, reading);
  const asked = between.reduce((sum, n) => sum + n, 0);
  const bytes = between.reduce((sum, n) => sum + Math.ceil(n / 8), 0);
  if (op === "reply") return { symbols: "rounds · bits", numbers: product(rounds, bytes), formula: rounds * bytes };
  return {
    symbols: "nominations that leave their device · 8 B + (rounds − 1) · bits",
    numbers: `${product(asked, NOMINATION)} + ${product(rounds - 1, bytes)}`,
    formula: asked * NOMINATION + (rounds - 1) * bytes,
  };
}

/** How many tokens of a device name experts of another, for each two devices. */
function nominations(named: number, { tokens, experts, devices, score, deviceOfToken, deviceOfExpert }: Reading): number[] {
  const between = new Array<number>(devices * devices).fill(0);
  for (let token = 0; token < tokens; token++) {
    const by = (expert: number) => score(token, expert) ?? 0;
    const best = Array.from({ length: experts }, (_, expert) => expert).sort((a, b) => by(b) - by(a) || a - b);
    for (const expert of best.slice(0, named)) between[deviceOfToken(token) * devices + deviceOfExpert(expert)]! += 1;
  }
  return between.filter((_, at) => Math.floor(at / devices) !== at % devices);
}

const product = (...factors: number[]): string => factors.map(count).join(" × ");
