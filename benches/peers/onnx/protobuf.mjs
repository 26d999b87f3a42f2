/** As much of protobuf's wire format as writing an ONNX model takes. */

const VARINT = 0;
const BYTES = 2;
const text = new TextEncoder();

/** A message, written field by field. */
export class Message {
  #parts = [];

  /** An integer field; negative ones as 64 bits of two's complement. */
  integer(field, value) {
    this.#parts.push(varint(field * 8 + VARINT), varint(BigInt.asUintN(64, BigInt(value))));
    return this;
  }

  /** A field of bytes, text, or another message. */
  bytes(field, value) {
    const bytes = value instanceof Message ? value.finish() : typeof value === "string" ? text.encode(value) : value;
    this.#parts.push(varint(field * 8 + BYTES), varint(bytes.length), bytes);
    return this;
  }

  /** The same field once for each value, as protobuf's repeated fields are. */
  each(field, values, write = (value) => this.bytes(field, value)) {
    for (const value of values) write(value);
    return this;
  }

  /** @returns {Uint8Array} */
  finish() {
    const whole = new Uint8Array(this.#parts.reduce((length, part) => length + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }
}

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.of(...bytes, Number(rest));
}
