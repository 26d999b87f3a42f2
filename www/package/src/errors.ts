/** What went wrong, for programs: `code` stays the same in every version, `details` holds the figures of the message. */
export class WebMoeError extends Error {
  /** A name such as `WRONG_LENGTH`. */
  readonly code: string;
  /** What was given and what was wanted, by name. */
  readonly details: Record<string, unknown>;

  constructor(code: string, message: string, details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = "WebMoeError";
    this.code = code;
    this.details = details;
  }
}

/** An argument or option of a call has a value that it cannot take. */
export function invalidArgument(what: string, value: unknown, wanted: string): WebMoeError {
  const got = describe(value);
  return new WebMoeError("INVALID_ARGUMENT", `\`${what}\` is ${got}; it must be ${wanted}`, { what, got, wanted });
}

/** Use after `dispose()`. */
export function disposed(what: "layer" | "runtime"): WebMoeError {
  return new WebMoeError("DISPOSED", `this ${what} was disposed of; create a new one`, { what });
}

/** The caller's signal ended the call; its reason is the error's `cause`. */
export function aborted(call: string, signal: AbortSignal): WebMoeError {
  return new WebMoeError("ABORTED", `\`${call}\` was aborted by its signal`, { call }, { cause: signal.reason });
}

/** Turns whatever the engine rejected with into a {@link WebMoeError}. */
export function toWebMoeError(cause: unknown): WebMoeError {
  if (cause instanceof WebMoeError) return cause;
  if (isPlainError(cause)) return new WebMoeError(cause.code, cause.message, cause.details ?? {});
  if (cause instanceof DOMException && cause.name === "DataCloneError") {
    return new WebMoeError("INVALID_ARGUMENT", `an argument cannot be sent to the worker: ${cause.message}`, {}, { cause });
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return new WebMoeError("INTERNAL", `the engine failed: ${message}; this is a fault of webmoe, please report it`, {}, { cause });
}

/** The form in which an error crosses from a worker. */
export function toPlainError(cause: unknown): PlainError {
  const { code, message, details } = toWebMoeError(cause);
  return { code, message, details };
}

/** A value as an error message names it. */
function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const name = value.constructor?.name ?? "object";
  const length = (value as { length?: unknown }).length;
  return typeof length === "number" ? `${name}(${length})` : `an instance of ${name}`;
}

/** The form in which errors leave the WebAssembly module and cross from a worker. */
interface PlainError {
  code: string;
  message: string;
  details?: Record<string, unknown>;
}

function isPlainError(value: unknown): value is PlainError {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as PlainError).code === "string" &&
    typeof (value as PlainError).message === "string"
  );
}
