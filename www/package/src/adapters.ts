import { Serial } from "./serial.js";

/** Everything that asks `navigator.gpu` for an adapter takes its turn here, since a borrowed device stands in for one. */
export const adapterRequests = /* @__PURE__ */ new Serial();

/**
 * The names that the browser tells of an adapter, which the bindings do not pass on; empty where it tells none. `device`:
 * a caller's, which knows its own adapter.
 */
export async function adapterNames(device?: GPUDevice): Promise<string> {
  const adapter = device ? undefined : await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const { description = "", vendor = "", architecture = "" } = device?.adapterInfo ?? adapter?.info ?? {};
  return description || [vendor, architecture].filter(Boolean).join(" ");
}
