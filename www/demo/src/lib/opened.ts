/** Opening a runtime for the engine asked for, or for the one that is to be had. */

import { capabilities, createRuntime, type Runtime } from "webmoe";
import type { Settings } from "./settings";

/** Where the layer runs, and why there. */
export interface Place {
  device: "webgpu" | "cpu";
  adapter: string;
  /** Why not on WebGPU where that was asked for. */
  reason?: string;
}

/** The engine could not be opened at all: nothing can be shown. */
export class EngineUnavailable extends Error {}

export interface Opened {
  runtime: Runtime;
  place: Place;
}

/** Opens the engine asked for, or the CPU where there is no WebGPU. */
export async function find(engine: Settings["engine"]): Promise<Opened> {
  if (engine !== "webgpu") return open(engine);
  const { webgpu, reason = "this browser offers no adapter" } = await capabilities();
  if (!webgpu) return open("cpu", reason);
  return open("webgpu").catch((error: unknown) => open("cpu", firstLine(error)));
}

export async function open(device: Settings["engine"], reason?: string): Promise<Opened> {
  try {
    const runtime = await createRuntime({ device });
    return { runtime, place: { device: runtime.device, adapter: runtime.adapter, ...(reason !== undefined && { reason }) } };
  } catch (error) {
    throw device === "webgpu" ? error : new EngineUnavailable(words(error), { cause: error });
  }
}

/** An error's message. */
export const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const firstLine = (error: unknown): string => words(error).split("\n", 1)[0]!;
