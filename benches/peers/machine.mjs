/** What a reader has to know of the machine, and nothing that tells whose it is. */
import { readdirSync, readFileSync } from "node:fs";
import { arch, cpus, loadavg, platform } from "node:os";

const ARCHITECTURES = { x64: "x86-64", arm64: "AArch64" };
const CLOCK_TICKS = 100;

/** Such as "2 cores, x86-64, linux". */
export function machine() {
  return `${cpus().length} cores, ${ARCHITECTURES[arch()] ?? arch()}, ${platform()}`;
}

/** Processes that wanted a core in the last minute, ours included. */
export const load = () => loadavg()[0];

/**
 * Milliseconds of CPU that the descendants of this process have used: on a busy machine steadier than the wall clock.
 * `NaN` where there is no /proc.
 */
export function cpuMs() {
  const used = new Map();
  const children = new Map();
  let processes;
  try {
    processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return NaN;
  }
  for (const id of processes) {
    let stat;
    try {
      stat = readFileSync(`/proc/${id}/stat`, "latin1");
    } catch {
      continue; // it ended meanwhile
    }
    // After the name in parentheses: state, parent, ..., user and system time as the 12th and 13th.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    used.set(Number(id), Number(fields[11]) + Number(fields[12]));
    const parent = Number(fields[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(id)]);
  }
  const below = (id) => (children.get(id) ?? []).reduce((sum, child) => sum + used.get(child) + below(child), 0);
  return (below(process.pid) * 1000) / CLOCK_TICKS;
}
