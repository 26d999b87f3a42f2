/** Objects of the platform by name: those of `isA`. */
interface Kinds {
  AbortSignal: AbortSignal;
  ArrayBuffer: ArrayBuffer;
  Float32Array: Float32Array;
  Response: Response;
  Uint32Array: Uint32Array;
  URL: URL;
  "WebAssembly.Module": WebAssembly.Module;
}

/** Whether a value is of one of these kinds; unlike `instanceof`, also when it comes from another frame. */
export function isA<K extends keyof Kinds>(value: unknown, ...kinds: K[]): value is Kinds[K] {
  const tag = Object.prototype.toString.call(value).slice("[object ".length, -1);
  return (kinds as string[]).includes(tag);
}
