/** Settings in the address: only what differs from the defaults. */

import {
  CAPACITIES, DEFAULTS, ENGINES, ORDERS, PER, PRIORITIES, RENORMALIZE, ROUNDINGS, SCORINGS,
  type Options, type Settings,
} from "./settings";

const OPTIONS: Partial<Record<keyof Settings, Options<string>>> = {
  engine: ENGINES,
  scoring: SCORINGS,
  renormalize: RENORMALIZE,
  capacity: CAPACITIES,
  per: PER,
  round: ROUNDINGS,
  priority: PRIORITIES,
  order: ORDERS,
};

const KEYS = Object.keys(DEFAULTS) as (keyof Settings)[];

/** `#k=1&devices=8`, or an empty string for the defaults. */
export function toHash(settings: Settings): string {
  const fields = new URLSearchParams();
  for (const key of KEYS) {
    if (settings[key] !== DEFAULTS[key]) fields.set(key, String(settings[key]));
  }
  const text = fields.toString();
  return text && `#${text}`;
}

/** Settings of an address; what it does not say, or says in a way that has no meaning, is as in the defaults. */
export function fromHash(hash: string): Settings {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const settings: Settings = { ...DEFAULTS };
  for (const key of KEYS) {
    const text = fields.get(key);
    if (text === null) continue;
    const value = meant(key, text);
    if (value !== undefined) Object.assign(settings, { [key]: value });
  }
  return settings;
}

/** The settings that differ. */
export function changed(a: Settings, b: Settings): (keyof Settings)[] {
  return KEYS.filter((key) => a[key] !== b[key]);
}

function meant(key: keyof Settings, text: string): string | number | undefined {
  const options = OPTIONS[key];
  if (options) return options.find(({ value }) => value === text)?.value;
  if (typeof DEFAULTS[key] === "string") return text;
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : undefined;
}
