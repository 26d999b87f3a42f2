/** Numbers as the page writes them. */

const whole = new Intl.NumberFormat("en");

/** 36,864 */
export const count = (n: number): string => whole.format(n);

/** 1 token, 2 tokens */
export const counted = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** 5.2 % */
export const percent = (share: number): string => `${(100 * share).toFixed(share !== 0 && share < 0.1 ? 1 : 0)} %`;

/** To three decimals, without a minus before nothing. */
export const decimal = (x: number, digits = 3): string => (Math.abs(x) < 0.5 / 10 ** digits ? 0 : x).toFixed(digits);

/** Short, for cells: 960 B, 1.5 KiB */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = n < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  const value = n / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** A message from elsewhere, ended as a sentence. */
export const sentence = (text: string): string => (/[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`);

/** At most `length` characters. */
export const short = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** Exact: 36,864 bytes */
export const exactBytes = (n: number): string => counted(n, "byte");

/** "1, 2 or 4" */
export const listed = (items: readonly (number | string)[], joint: "and" | "or"): string =>
  items.length < 2 ? String(items[0] ?? "") : `${items.slice(0, -1).join(", ")} ${joint} ${items.at(-1)}`;
