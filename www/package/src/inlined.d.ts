/** What `build.mjs` puts into the inline entry. */

declare module "#wasm-base64" {
  /** The WebAssembly module. */
  const base64: string;
  export default base64;
}

declare module "#worker-text" {
  /** The worker's script, bundled into one module. */
  const text: string;
  export default text;
}
