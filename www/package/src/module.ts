/** Fetches and compiles the WebAssembly module. */
import type { WasmSource } from "./api.js";
import { WebMoeError } from "./errors.js";
import { isA } from "./kinds.js";
import type { Listener } from "./progress.js";

/**
 * The module of a source, compiled while it arrives.
 * @throws `WASM_LOAD_FAILED`, saying what to change.
 */
export async function compile(source: WasmSource, report: Listener): Promise<WebAssembly.Module> {
  try {
    const compiled = await compileSource(source, report);
    report({ phase: "compile", loaded: 1, total: 1, text: "Compiled" });
    return compiled;
  } catch (error) {
    if (error instanceof WebMoeError) throw error;
    throw loadFailed("the WebAssembly module could not be loaded", {}, error);
  }
}

/** The error of a module that does not come or does not fit; `cause` adds its own words. */
export function loadFailed(message: string, details: Record<string, unknown>, cause?: unknown): WebMoeError {
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  return new WebMoeError("WASM_LOAD_FAILED", message + reason, details, { cause });
}

async function compileSource(source: WasmSource, report: Listener): Promise<WebAssembly.Module> {
  if (isA(source, "WebAssembly.Module")) return source;
  if (typeof source === "string" || isA(source, "URL")) return compileResponse(await fetch(source), report);
  if (isA(source, "Response")) return compileResponse(source, report);
  report({ phase: "compile", loaded: 0, total: 1, text: "Compiling" });
  return WebAssembly.compile(source);
}

function compileResponse(response: Response, report: Listener): Promise<WebAssembly.Module> {
  const { url, status } = response;
  if (!response.ok) {
    throw loadFailed(`${url} answered ${status}; pass the address of webmoe_bg.wasm as \`wasm\``, { url, status });
  }
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("text/html")) {
    const advice = "with Vite <= 7 add optimizeDeps.exclude: ['webmoe']";
    throw loadFailed(`webmoe_bg.wasm came back as text/html; ${advice}`, { url, type });
  }
  // Not the original headers: their type may be another, and their length may be that of the compressed body.
  const headers = { "content-type": "application/wasm" };
  return WebAssembly.compileStreaming(new Response(counted(response, report), { headers }));
}

/** The body, reported as it passes; its total is known where the server tells the length of what we read. */
function counted(response: Response, report: Listener): ReadableStream<Uint8Array> | null {
  const { body, headers } = response;
  const total = headers.has("content-encoding") ? undefined : Number(headers.get("content-length")) || undefined;
  let loaded = 0;
  const tell = () => report({ phase: "fetch", loaded, total, text: fetchText(loaded, total) });
  tell();
  const count = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      tell();
      controller.enqueue(chunk);
    },
    flush() {
      report({ phase: "compile", loaded: 0, total: 1, text: "Compiling" });
    },
  });
  return body && body.pipeThrough(count);
}

function fetchText(loaded: number, total: number | undefined): string {
  const kilobytes = (bytes: number) => Math.round(bytes / 1000);
  return total ? `Loading ${kilobytes(loaded)} of ${kilobytes(total)} kB` : `Loading ${kilobytes(loaded)} kB`;
}
