/** Checks what the engine cannot: options that stay in this thread, and arrays that would be converted silently. */
import type { ForwardOptions, RuntimeOptions, WasmSource } from "./api.js";
import { invalidArgument, WebMoeError } from "./errors.js";

const DEVICES = ["auto", "webgpu", "cpu"];

/** @throws `INVALID_ARGUMENT`, or `INVALID_CONFIG` for options that exclude each other. */
export function checkRuntimeOptions(options: RuntimeOptions): void {
  object("options", options);
  const { device, gpuDevice, worker, wasm, onProgress, signal } = options;
  optional("device", device, '"auto", "webgpu" or "cpu"', (value) => DEVICES.includes(value));
  optional("gpuDevice", gpuDevice, "a GPUDevice", (value) => value?.queue !== undefined);
  optional("worker", worker, "true or false", (value) => typeof value === "boolean");
  optional("wasm", wasm, "an address, a Response, bytes or a WebAssembly.Module", isWasmSource);
  optional("onProgress", onProgress, "a function", (value) => typeof value === "function");
  checkSignalType(signal);
  if (gpuDevice && worker) throw exclusive("worker", "true", "false with `gpuDevice`, which cannot cross to a worker");
  if (gpuDevice && device === "cpu") throw exclusive("device", '"cpu"', '"webgpu" or "auto" with `gpuDevice`');
}

/** @throws `INVALID_ARGUMENT` */
export function checkFloats(what: string, value: Float32Array): void {
  if (!isArray(value, "Float32Array")) throw invalidArgument(what, value, "a Float32Array");
}

/** @throws `INVALID_ARGUMENT` */
export function checkForwardOptions(options: ForwardOptions): void {
  object("options", options);
  const { tokenIds, domain, task, signal } = options;
  for (const [name, ids] of Object.entries({ tokenIds, domain, task })) {
    optional(name, ids, "a Uint32Array", (value) => isArray(value, "Uint32Array"));
  }
  checkSignalType(signal);
}

function checkSignalType(signal: AbortSignal | undefined): void {
  optional("signal", signal, "an AbortSignal", (value) => value instanceof AbortSignal);
}

function exclusive(field: string, got: string, wanted: string): WebMoeError {
  return new WebMoeError("INVALID_CONFIG", `\`${field}\` is ${got}; it must be ${wanted}`, { field, got, wanted });
}

function object(what: string, value: unknown): void {
  if (typeof value !== "object" || value === null) throw invalidArgument(what, value, "an object");
}

function optional<T>(what: string, value: T | undefined, wanted: string, fits: (value: T) => boolean): void {
  if (value !== undefined && !fits(value)) throw invalidArgument(what, value, wanted);
}

/** By name rather than `instanceof`: an array from another frame is as good. */
function isArray(value: unknown, type: string): boolean {
  return ArrayBuffer.isView(value) && (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === type;
}

function isWasmSource(value: WasmSource): boolean {
  return (
    typeof value === "string" ||
    ArrayBuffer.isView(value) ||
    [URL, Response, ArrayBuffer, WebAssembly.Module].some((type) => (value as object) instanceof type)
  );
}
