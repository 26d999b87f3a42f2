/** What the claims share: where runtimes come from, numbers, comparisons. */
import { createRuntime, WebMoeError } from "/node_modules/webmoe/dist/index.js";

export const WASM = "/node_modules/webmoe/dist/webmoe_bg.wasm";

/** Both engines, each in the page's thread and in a worker. */
export const PLACES = ["webgpu", "cpu"].flatMap((device) => [
  { where: `${device}, page`, options: { device } },
  { where: `${device}, worker`, options: { device, worker: true } },
]);

/** One claim for each place: `name (place)`. */
export function everywhere(name, claim) {
  return Object.fromEntries(PLACES.map((place) => [`${name} (${place.where})`, () => claim(place)]));
}

const opened = new Map();

/** The runtime of a place, opened once for all claims that do not dispose of it. */
export function runtimeAt({ where, options }) {
  if (!opened.has(where)) opened.set(where, createRuntime(options));
  return opened.get(where);
}

/** Makes a layer for `use`, and disposes of it afterwards. */
export async function withLayer(place, config, use) {
  const layer = await (await runtimeAt(place)).createLayer(config);
  try {
    return await use(layer);
  } finally {
    layer.dispose();
  }
}

/** Numbers between -1 and 1, the same for the same seed (a Weyl sequence, scrambled). */
export function numbers(seed, length) {
  return Float32Array.from({ length }, (_, i) => {
    const mixed = Math.imul((i + 1) * 0x9e3779b1 + seed * 0x85ebca6b, 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 31 - 1;
  });
}

/** @throws unless the condition holds */
export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** @throws unless both are the same when written as JSON */
export function assertEqual(what, got, want) {
  const [a, b] = [got, want].map((value) => JSON.stringify(value) ?? "undefined");
  if (a === b) return;
  let differ = 0;
  while (a[differ] === b[differ]) differ++;
  const excerpt = (text) => text.slice(Math.max(0, differ - 40), differ + 80);
  throw new Error(`${what}: got ${excerpt(a)}, wanted ${excerpt(b)} (from character ${differ} on)`);
}

/** @throws unless the arrays agree within abs 1e-5 + rel 1e-4, the tolerance of f32 layers */
export function assertClose(what, got, want) {
  assert(got?.length === want.length, `${what}: got ${got?.length} values, wanted ${want.length}`);
  const far = want.findIndex((value, i) => !(Math.abs(got[i] - value) <= 1e-5 + 1e-4 * Math.abs(value)));
  assert(far < 0, `${what}[${far}]: got ${got[far]}, wanted ${want[far]}`);
}

/** @throws unless the call rejects with a WebMoeError of this code */
export async function assertCode(what, code, call) {
  try {
    await call();
  } catch (error) {
    assert(error instanceof WebMoeError, `${what}: rejected with ${error}, which is no WebMoeError`);
    assert(error.code === code, `${what}: rejected with ${error.code} (${error.message}), wanted ${code}`);
    assert(error.message && typeof error.details === "object", `${what}: the error does not explain itself`);
    return error;
  }
  throw new Error(`${what}: nothing was rejected, wanted ${code}`);
}
