/** What a visitor can take away. */

import type { Snapshot } from "./pass";

/** The whole snapshot: tokens, routing, scores, losses and bytes. */
export function traceOf({ settings, config, batch, output, place, step }: Snapshot): string {
  const { routing, scores, losses, traffic } = output;
  return JSON.stringify(
    {
      format: "webmoe-trace",
      version: 1,
      settings,
      config,
      engine: { device: place.device, adapter: place.adapter },
      step,
      tokens: batch.tokens,
      routing,
      scores: { shape: [batch.tokens.length, batch.tokens.length === 0 ? 0 : scores.length / batch.tokens.length], values: scores },
      labels: batch.labels,
      losses,
      traffic,
    },
    // Typed arrays would otherwise be written as objects.
    (_, value: unknown) => (ArrayBuffer.isView(value) ? Array.from(value as Float32Array) : value),
    2,
  );
}

/** One row for each exchange and pair of devices. */
export function ledgerOf({ output: { traffic } }: Snapshot): string {
  const rows = traffic.exchanges.flatMap(({ pass, op, kind, bytes, usefulBytes }) =>
    Array.from(bytes, (sent, i) => {
      const [from, to] = [Math.floor(i / traffic.devices), i % traffic.devices];
      return [pass, op, kind, from, to, from === to ? "local" : "network", sent, usefulBytes[i]];
    }),
  );
  return [["pass", "op", "kind", "from", "to", "where", "bytes", "useful_bytes"], ...rows].map((row) => `${row.join(",")}\n`).join("");
}

/** Hands a file to the browser. */
export function download(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
