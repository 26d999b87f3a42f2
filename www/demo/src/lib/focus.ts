/** What is pointed at, and what belongs to it in every view. */

import type { Reading } from "./read";

export interface Focus {
  kind: "token" | "expert" | "device";
  index: number;
  /** Of a token: the expert in whose row of a matrix it is pointed at. */
  expert?: number;
}

/** Everything that a focus lights up; `null` lights everything. */
export interface Lit {
  tokens: ReadonlySet<number>;
  experts: ReadonlySet<number>;
  devices: ReadonlySet<number>;
  /** Of a choice between a token and an expert. */
  choice(token: number, expert: number): boolean;
}

export const same = (a: Focus | null, b: Focus | null): boolean => a?.kind === b?.kind && a?.index === b?.index;

/** Whether the snapshot has it. */
export function exists({ kind, index }: Focus, { tokens, experts, devices }: Reading): boolean {
  return index < { token: tokens, expert: experts, device: devices }[kind];
}

export function litBy(focus: Focus | null, { choices, deviceOfExpert, deviceOfToken }: Reading): Lit | null {
  if (!focus) return null;
  const { kind, index } = focus;
  const touched = choices.flat().filter((choice) => {
    if (kind === "token") return choice.token === index;
    return (kind === "expert" ? choice.expert : choice.to) === index;
  });
  const tokens = new Set(touched.map((choice) => choice.token));
  const experts = new Set(touched.map((choice) => choice.expert));
  const devices = new Set(touched.map((choice) => choice.to));
  if (kind === "token") devices.add(deviceOfToken(index));
  if (kind === "expert") {
    experts.add(index);
    devices.add(deviceOfExpert(index));
  }
  if (kind === "device") devices.add(index);
  const pairs = new Set(touched.map((choice) => `${choice.token} ${choice.expert}`));
  return { tokens, experts, devices, choice: (token, expert) => pairs.has(`${token} ${expert}`) };
}
