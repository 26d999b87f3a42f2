/** Summaries of samples, and how they are written. */

/** The value below which `share` of the samples lie, between neighbours in proportion. */
export function quantile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}

export const median = (samples) => quantile(samples, 0.5);

/** Milliseconds, to three digits. */
export const format = (ms) => (ms === undefined ? "–" : `${Number(ms.toPrecision(3)).toLocaleString("en")} ms`);
