/** An ONNX model, built node by node. Field numbers are those of `onnx.proto3`, IR version 9. */
import { Message } from "./protobuf.mjs";

const IR_VERSION = 9;
const OPSETS = { "": 18, "com.microsoft": 1 };
/** `TensorProto.DataType` of each array that a tensor may be made of. */
const TYPES = new Map([[Float32Array, 1], [Int32Array, 6], [BigInt64Array, 7]]);
export const INT32 = TYPES.get(Int32Array);
/** `AttributeProto.AttributeType` */
const ATTRIBUTE = { integer: 2, text: 3, integers: 7 };

/** A graph from `x` to `y`, both f32. Values are known by their names. */
export class Graph {
  #nodes = [];
  #tensors = [];

  /** A constant. */
  tensor(values, shape = [values.length]) {
    const name = `tensor${this.#tensors.length}`;
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const message = new Message();
    message.each(1, shape, (size) => message.integer(1, size));
    this.#tensors.push(message.integer(2, TYPES.get(values.constructor)).bytes(8, name).bytes(9, raw));
    return name;
  }

  /** A constant of 64-bit integers, as shapes and axes are. */
  integers(...values) {
    return this.tensor(BigInt64Array.from(values, BigInt));
  }

  /** A node with one output. @returns the output's name */
  node(operator, inputs, attributes = {}) {
    return this.nodes(operator, inputs, 1, attributes)[0];
  }

  /** A node with several outputs; `domain` is taken out of the attributes. */
  nodes(operator, inputs, count, { domain = "", ...attributes } = {}) {
    const name = `${operator}${this.#nodes.length}`;
    const outputs = Array.from({ length: count }, (_, i) => `${name}.${i}`);
    const message = new Message().each(1, inputs);
    message.each(2, outputs).bytes(3, name).bytes(4, operator);
    this.#nodes.push(message.each(5, Object.entries(attributes).map(attribute)).bytes(7, domain));
    return outputs;
  }

  /** The model that calls `output` its `y`. @returns {Uint8Array} */
  model(output, shape) {
    this.#nodes.push(new Message().bytes(1, output).bytes(2, "y").bytes(4, "Identity"));
    const graph = new Message().each(1, this.#nodes).bytes(2, "layer").each(5, this.#tensors);
    graph.bytes(11, value("x", shape)).bytes(12, value("y", shape));
    const opset = ([domain, version]) => new Message().bytes(1, domain).integer(2, version);
    const opsets = Object.entries(OPSETS).map(opset);
    return new Message().integer(1, IR_VERSION).bytes(7, graph).each(8, opsets).finish();
  }
}

function attribute([name, value]) {
  const message = new Message().bytes(1, name);
  if (typeof value === "string") return message.bytes(4, value).integer(20, ATTRIBUTE.text);
  if (typeof value === "number") return message.integer(3, value).integer(20, ATTRIBUTE.integer);
  return message.each(8, value, (item) => message.integer(8, item)).integer(20, ATTRIBUTE.integers);
}

/** A `ValueInfoProto` of f32. */
function value(name, shape) {
  const sizes = shape.map((size) => new Message().integer(1, size));
  const tensor = new Message().integer(1, TYPES.get(Float32Array)).bytes(2, new Message().each(1, sizes));
  return new Message().bytes(1, name).bytes(2, new Message().bytes(1, tensor));
}
