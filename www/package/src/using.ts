/** Makes `using` work on an object, where the platform has it. */
export function addDispose(object: { dispose(): void }): void {
  if (typeof Symbol.dispose !== "symbol") return;
  Object.defineProperty(object, Symbol.dispose, { value: () => object.dispose() });
}
