/** What an expert looks like, and how numbers become shades. Colour is never alone: glyph and number go with it. */

/** Degrees between the hues of neighbours: the golden angle keeps any number of them apart. */
const TURN = 137.508;
const FIRST = 32;

/** Hue of an expert in OKLCH, in degrees; the same whatever the number of experts. */
export const hue = (expert: number): number => Math.round((FIRST + expert * TURN) % 360);

/** An expert's colour as a line or a fill; `--mark-l` and `--mark-c` differ between light and dark. */
export const colour = (expert: number): string => `oklch(var(--mark-l) var(--mark-c) ${hue(expert)})`;

/** An expert's colour as a ground for text. */
export const tint = (expert: number): string => `oklch(var(--tint-l) var(--tint-c) ${hue(expert)})`;

/** Outlines within a square of 12 by 12, by the expert's number modulo their number. */
const GLYPHS = [
  "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
  "M1.5 1.5h9v9h-9z",
  "M6 1l5.2 9.5H.8z",
  "M6 .5L11.5 6L6 11.5L.5 6z",
  "M4 1h4v3h3v4H8v3H4V8H1V4h3z",
  "M6 11L.8 1.5h10.4z",
  "M3.2 1.2h5.6L11.6 6L8.8 10.8H3.2L.4 6z",
  "M6 .6l1.6 3.6 3.9.4-2.9 2.6.8 3.9L6 9.1l-3.4 2 .8-3.9L.5 4.6l3.9-.4z",
  "M1 6a5 5 0 0 1 10 0z M1 7.5h10v2.5H1z",
  "M3 1l3 3l3-3l2 2l-3 3l3 3l-2 2l-3-3l-3 3l-2-2l3-3l-3-3z",
  "M6 .8l5.3 3.9-2 6.3H2.7l-2-6.3z",
  "M1 2h10v3H7.5v6h-3V5H1z",
];

/** Path of an expert's glyph. */
export const glyph = (expert: number): string => GLYPHS[expert % GLYPHS.length]!;

type Shade = readonly [number, number, number];

/** Blue to yellow through grey, as in cividis: ordered by lightness, and told apart by colour-blind eyes. */
const CIVIDIS: readonly Shade[] = [
  [27, 33, 46],
  [42, 60, 102],
  [93, 101, 118],
  [142, 139, 120],
  [193, 179, 103],
  [252, 232, 86],
];

/** From paper to ink on a light page, where nothing should look like nothing. */
const ON_LIGHT: readonly Shade[] = [
  [246, 244, 232],
  [230, 220, 176],
  [187, 178, 136],
  [130, 130, 123],
  [70, 84, 116],
  [10, 34, 78],
];

/** Shade of `share`, 0 to 1. */
export function shade(share: number, dark: boolean): string {
  const stops = dark ? CIVIDIS : ON_LIGHT;
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  const mixed = stops[low]!.map((channel, i) => Math.round(channel + (at - low) * (stops[low + 1]![i]! - channel)));
  return `rgb(${mixed.join(" ")})`;
}

/** Whether text on the shade must be light. */
export const lightText = (share: number, dark: boolean): boolean => (dark ? share < 0.5 : share > 0.52);
