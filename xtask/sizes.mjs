// How many bytes the package is, and the limits that fail the build: node xtask/sizes.mjs <folder>

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";

/** Most bytes, brotli-compressed, of the wasm and the JavaScript beside it. */
const BROTLI_LIMIT = 400_000;

/** The module once more as text, for those who ask for it: shown, but no part of what a visitor loads. */
const isCopy = (name) => /(^|\/)inline\.js$/.test(name);

const folder = process.argv[2];
const rows = readdirSync(folder, { recursive: true })
  .filter((name) => /\.(wasm|js)$/.test(name))
  .sort()
  .map((name) => {
    const bytes = readFileSync(join(folder, name));
    return {
      name: isCopy(name) ? `(${name})` : name,
      loaded: !isCopy(name),
      sizes: [bytes.length, gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length],
    };
  });

const loaded = rows.filter((row) => row.loaded);
const total = [0, 1, 2].map((i) => loaded.reduce((sum, row) => sum + row.sizes[i], 0));
const brotli = total[2];

const line = (name, sizes) => console.log(name.padEnd(32) + sizes.map((size) => String(size).padStart(12)).join(""));
line("bytes", ["raw", "gzip", "brotli"]);
for (const row of rows) line(row.name, row.sizes);
line("total", total);
line("limit", ["", "", BROTLI_LIMIT]);

if (!loaded.some((row) => row.name.endsWith(".wasm"))) {
  console.error(`no .wasm in ${folder}`);
  process.exit(1);
}
if (brotli > BROTLI_LIMIT) {
  console.error(`${brotli} bytes are ${brotli - BROTLI_LIMIT} over the limit in xtask/sizes.mjs`);
  process.exit(1);
}
