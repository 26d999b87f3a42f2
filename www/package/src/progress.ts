import type { Progress } from "./api.js";

/** The parts of an opening, each with where it starts on the scale of the whole. */
const START = { fetch: 0, compile: 0.6, device: 0.8, ready: 1 } as const;
const END = { fetch: START.compile, compile: START.device, device: START.ready, ready: 1 } as const;

type Phase = keyof typeof START;

/** How far one phase has come. */
export interface Step {
  phase: Phase;
  loaded: number;
  /** Absent where it is not known. */
  total?: number;
  text: string;
}

/** Hears steps. */
export type Listener = (step: Step) => void;

/** Turns steps into the caller's reports: `overall` never falls, and a callback that throws stops nothing. */
export function reporter(onProgress: ((progress: Progress) => void) | undefined): Listener {
  if (!onProgress) return () => undefined;
  let overall = 0;
  return ({ phase, loaded, total, text }) => {
    const done = total ? Math.min(loaded / total, 1) : 0;
    overall = Math.max(overall, START[phase] + done * (END[phase] - START[phase]));
    try {
      onProgress({ phase, loaded, total: total ?? loaded, overall, text });
    } catch (error) {
      reportError(error);
    }
  };
}
