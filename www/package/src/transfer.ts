/** Values that cross between threads: plain objects and arrays with typed arrays in them. */

/** The buffers of all typed arrays in a value, each once. */
export function buffersOf(value: unknown): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  visit(value, (array) => {
    if (array.buffer instanceof ArrayBuffer) buffers.add(array.buffer);
    return array;
  });
  return [...buffers];
}

/** The value with copies of its typed arrays: not of the buffers behind them, which may be much larger. */
export function withOwnArrays<T>(value: T): T {
  return visit(value, (array) => array.slice()) as T;
}

type TypedArray = ArrayBufferView & { slice(): TypedArray };

function visit(value: unknown, map: (array: TypedArray) => TypedArray): unknown {
  if (ArrayBuffer.isView(value)) return map(value as TypedArray);
  if (Array.isArray(value)) return value.map((item) => visit(item, map));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, visit(item, map)]));
}
