/** Checks what the engine cannot: options that stay in this thread, and arrays that would be converted silently. */
import type { BackwardOptions, ForwardOptions, RuntimeOptions, WasmSource } from "./api.js";
import { invalidArgument, WebMoeError } from "./errors.js";
import { isA } from "./kinds.js";

const DEVICES = ["auto", "webgpu", "cpu"];

/** @throws `INVALID_ARGUMENT`, or `INVALID_CONFIG` for options that exclude each other. */
export function checkRuntimeOptions(options: RuntimeOptions): void {
  checkObject("options", options);
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
  if (!isA(value, "Float32Array")) throw invalidArgument(what, value, "a Float32Array");
}

/** @throws `INVALID_ARGUMENT` */
export function checkForwardOptions(options: ForwardOptions): void {
  checkObject("options", options);
  const { tokenIds, domain, mixture, sourceLanguage, targetLanguage, task, draws, signal } = options;
  for (const [name, ids] of Object.entries({ tokenIds, domain, sourceLanguage, targetLanguage, task })) {
    optional(name, ids, "a Uint32Array", (value) => isA(value, "Uint32Array"));
  }
  optional("mixture", mixture, "a Float32Array", (value) => isA(value, "Float32Array"));
  optional("draws", draws, "a Float32Array", (value) => isA(value, "Float32Array"));
  checkSignalType(signal);
}

/** @throws `INVALID_ARGUMENT` */
export function checkBackwardOptions(options: BackwardOptions): void {
  checkObject("options", options);
  optional("reward", options.reward, "a Float32Array", (value) => isA(value, "Float32Array"));
}

function checkSignalType(signal: AbortSignal | undefined): void {
  optional("signal", signal, "an AbortSignal", (value) => isA(value, "AbortSignal"));
}

function exclusive(field: string, got: string, wanted: string): WebMoeError {
  return new WebMoeError("INVALID_CONFIG", `\`${field}\` is ${got}; it must be ${wanted}`, { field, got, wanted });
}

/** @throws `INVALID_ARGUMENT` */
export function checkObject(what: string, value: unknown): void {
  if (typeof value !== "object" || value === null) throw invalidArgument(what, value, "an object");
}

function optional<T>(what: string, value: T | undefined, wanted: string, fits: (value: T) => boolean): void {
  if (value !== undefined && !fits(value)) throw invalidArgument(what, value, wanted);
}

function isWasmSource(value: WasmSource): boolean {
  return (
    typeof value === "string" || ArrayBuffer.isView(value) || isA(value, "URL", "Response", "ArrayBuffer", "WebAssembly.Module")
  );
}
