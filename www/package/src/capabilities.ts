import { adapterRequests } from "./adapters.js";
import type { Capabilities } from "./api.js";

/** What this browser can do; needs no WebAssembly and never throws. */
export async function capabilities(): Promise<Capabilities> {
  try {
    const adapter = await adapterRequests.run(requestAdapter);
    return typeof adapter === "string" ? without(adapter) : withAdapter(adapter);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return without(`the browser refused to look for a GPU: ${message}`);
  }
}

/** The adapter, or why there is none. */
async function requestAdapter(): Promise<GPUAdapter | string> {
  const gpu = globalThis.navigator?.gpu as GPU | undefined;
  if (!gpu) {
    return globalThis.isSecureContext === false
      ? "WebGPU works on secure pages only; open this page over https or from localhost"
      : "this browser does not have WebGPU, or it is turned off; use a current Chrome, Edge, Safari or Firefox";
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  return (
    adapter ??
    "the browser has WebGPU but finds no GPU that it trusts; turn on hardware acceleration in its settings and update " +
      "the graphics driver (Chrome on Linux: also turn on chrome://flags/#enable-unsafe-webgpu)"
  );
}

function withAdapter({ features, info, limits }: GPUAdapter): Capabilities {
  const { vendor = "", architecture = "", description = "" } = info ?? {};
  return {
    webgpu: true,
    adapter: { vendor, architecture, description },
    f16: features.has("shader-f16"),
    subgroups: features.has("subgroups"),
    timestamps: features.has("timestamp-query"),
    limits: numbersOf(limits),
  };
}

function without(reason: string): Capabilities {
  return { webgpu: false, reason, f16: false, subgroups: false, timestamps: false, limits: {} };
}

/** The limits are getters of a prototype, which a copy by `Object.entries` would miss. */
function numbersOf(limits: GPUSupportedLimits): Record<string, number> {
  const numbers: Record<string, number> = {};
  for (const name in limits) {
    const value = limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") numbers[name] = value;
  }
  return numbers;
}
