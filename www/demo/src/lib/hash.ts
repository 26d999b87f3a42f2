/** Settings in the address: only what differs from the defaults. */

import { fromFields, fromList, ownFields, toList } from "../routers";
import {
  CAPACITIES, DEFAULTS, ENGINES, MOST_COMPARED, ORDERS, PER, PRIORITIES, ROUNDINGS,
  type Options, type Settings,
} from "./settings";

const OPTIONS: Partial<Record<keyof Settings, Options<string>>> = {
  engine: ENGINES,
  capacity: CAPACITIES,
  per: PER,
  round: ROUNDINGS,
  priority: PRIORITIES,
  order: ORDERS,
};

const KEYS = Object.keys(DEFAULTS) as (keyof Settings)[];

/** `#k=1&devices=8`, or an empty string for the defaults. */
export function toHash(settings: Settings): string {
  const text = new URLSearchParams(fields(settings)).toString();
  return text && `#${text}`;
}

/** Settings of an address; what it does not say, or says in a way that has no meaning, is as in the defaults. */
export function fromHash(hash: string): Settings {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const settings: Settings = {
    ...DEFAULTS,
    router: fromFields(fields.get("router") ?? "", (name) => fields.get(name)),
    compare: fromList(fields.get("compare") ?? "").slice(0, MOST_COMPARED),
  };
  for (const key of KEYS) {
    const text = fields.get(key);
    if (text === null) continue;
    const value = meant(key, text);
    if (value !== undefined) Object.assign(settings, { [key]: value });
  }
  return settings;
}

/** Names of the fields that differ. */
export function changed(a: Settings, b: Settings): string[] {
  const [first, second] = [new Map(fields(a)), new Map(fields(b))];
  return [...new Set([...first.keys(), ...second.keys()])].filter((name) => first.get(name) !== second.get(name));
}

/** What differs from the defaults, name by name. The router's own settings stand beside the layer's. */
function fields(settings: Settings): [string, string][] {
  return KEYS.flatMap((key): [string, string][] => {
    if (key === "router") {
      const { kind } = settings.router;
      const named: [string, string][] = kind === DEFAULTS.router.kind ? [] : [[key, kind]];
      return [...named, ...ownFields(settings.router)];
    }
    if (key === "compare") return settings.compare.length === 0 ? [] : [[key, toList(settings.compare)]];
    return settings[key] === DEFAULTS[key] ? [] : [[key, String(settings[key])]];
  });
}

function meant(key: keyof Settings, text: string): string | number | undefined {
  const options = OPTIONS[key];
  if (options) return options.find(({ value }) => value === text)?.value;
  if (typeof DEFAULTS[key] === "string") return text;
  if (typeof DEFAULTS[key] !== "number") return undefined;
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : undefined;
}
