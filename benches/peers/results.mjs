/** The lines of a run, put together. */
import { median } from "./statistics.mjs";

const NAMES = { webmoe: "webmoe", jax: "jax-js", tfjs: "TensorFlow.js", onnxruntime: "ONNX Runtime Web" };

/**
 * Entries with the samples of all rounds.
 * @typedef {{ peer: string, name: string, engine: string, threads?: number, form?: string, workload: string,
 * ms: number[], kernels: Record<string, number>[], firstMs: number, error: number, cpuMs: number }} Entry
 */
export class Results {
  /** @type {Entry[]} */
  #entries;

  constructor(lines) {
    this.machine = lines.find((line) => line.kind === "machine");
    this.failures = lines.filter((line) => line.kind === "failure");
    this.native = lines.filter((line) => line.kind === "native");
    const byEntry = new Map();
    for (const line of lines.filter((line) => line.kind === "result")) {
      const key = ["workload", "peer", "engine", "threads", "form"].map((part) => line[part]).join();
      byEntry.set(key, [...(byEntry.get(key) ?? []), line]);
    }
    this.#entries = [...byEntry.values()].map((rounds) => ({
      ...rounds[0],
      name: NAMES[rounds[0].peer],
      ms: rounds.flatMap((line) => line.ms),
      kernels: rounds.flatMap((line) => line.kernels ?? []),
      error: Math.max(...rounds.map((line) => line.error)),
      cpuMs: median(rounds.map((line) => line.cpuMs)),
    }));
  }

  /** Entries that have all of `wanted`. */
  all(wanted) {
    return this.#entries.filter((entry) => Object.entries(wanted).every(([part, value]) => entry[part] === value));
  }

  /** The layer as users call it: no variants of reading, no clocks. @returns {Entry | undefined} */
  ours(engine, workload) {
    return this.all({ peer: "webmoe", engine, workload, form: undefined })[0];
  }

  /** The peer with the smallest median. @returns {Entry | undefined} */
  fastestPeer(wanted) {
    const peers = this.all(wanted).filter((entry) => entry.peer !== "webmoe" && entry.name);
    return peers.sort((a, b) => median(a.ms) - median(b.ms))[0];
  }

  /** Median milliseconds of some kernels of a clocked entry, together. */
  kernels(peer, names) {
    const [entry] = this.all({ peer, form: "kernels" });
    return entry && median(entry.kernels.map((call) => names.reduce((sum, name) => sum + call[name], 0)));
  }
}
