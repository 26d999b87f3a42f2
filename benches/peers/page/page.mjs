/**
 * One entry in a page of its own. `session.mjs` calls `prepare` and then `time`, so that it can read the browser's CPU
 * time in between.
 */
import { readArrays } from "./arrays.mjs";

/** What an f32 layer of these sizes may differ from f64: absolute, and relative to the value. */
const TOLERANCE = { abs: 1e-5, rel: 1e-4 };
/** Milliseconds after which everything is warm. */
const LONG_ENOUGH = 5_000;
/** More calls tell nothing new. */
const MOST_CALLS = 100;

let peer;
let call;

/** The adapter that the browser offers, in its own words; empty without WebGPU. */
export async function adapter() {
  const { vendor, architecture, description } = (await navigator.gpu?.requestAdapter())?.info ?? {};
  return [vendor, architecture, description].filter(Boolean).join(" ");
}

/**
 * Opens the entry's peer, checks what it computes and warms it up.
 * @param entry a peer, what it is to be opened with, and the workload's sizes
 * @returns milliseconds of the first call, shader compilation included, the largest difference from the reference, and
 * what the peer says of itself
 * @throws if any value is further from the reference than f32 explains
 */
export async function prepare({ peer: name, train, ...task }, warmUps) {
  const { open } = await import(`/peers/${name}.mjs`);
  const { output, losses, ...arrays } = await readArrays();
  const { x, target } = arrays;
  peer = await open({ ...task, learningRate: train?.learningRate }, arrays);
  call = train ? () => peer.step(x, target) : () => peer.forward(x);

  const start = performance.now();
  const first = await call();
  const firstMs = performance.now() - start;
  let error;
  if (train) {
    const got = [first];
    while (got.length < losses.length) got.push(await call());
    // What the steps made of the weights shows in the output.
    error = Math.max(farthest(got, losses), farthest(await peer.forward(x), output));
  } else {
    error = farthest(first, peer.expected ?? output);
  }
  const began = performance.now();
  for (let i = 0; i < warmUps && performance.now() - began < LONG_ENOUGH; i++) await call();
  return { firstMs, error, about: peer.about?.() };
}

/**
 * Times calls: `calls` of them and as many more as fit in `settle` milliseconds; fewer, but at least three, where they
 * would take longer than `budget` milliseconds.
 * @returns milliseconds of each call; for a peer with a clock in its kernels, those of each call's kernels by name
 */
export async function time({ calls, settle, budget }) {
  const ms = [];
  const kernels = [];
  await peer.kernels?.();
  const began = performance.now();
  const spent = () => performance.now() - began;
  while (ms.length < 3 || (spent() < budget && (ms.length < calls || (spent() < settle && ms.length < MOST_CALLS)))) {
    const start = performance.now();
    await call();
    ms.push(performance.now() - start);
    if (peer.kernels) kernels.push(await peer.kernels());
  }
  return peer.kernels ? { ms, kernels } : { ms };
}

/** Largest absolute difference. @throws beyond the tolerance, and on NaN */
function farthest(got, want) {
  if (got.length !== want.length) throw new Error(`${got.length} values, wanted ${want.length}`);
  let most = 0;
  want.forEach((value, i) => {
    const difference = Math.abs(got[i] - value);
    if (!(difference <= TOLERANCE.abs + TOLERANCE.rel * Math.abs(value))) {
      throw new Error(`value ${i} is ${got[i]}, wanted ${value}`);
    }
    most = Math.max(most, difference);
  });
  return most;
}
