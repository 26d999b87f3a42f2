/** `symmetricKl`: how far two passes are apart, and what pulls them together. */
import { symmetricKl } from "/node_modules/webmoe/dist/index.js";
import { assert, assertClose, assertCode, assertEqual, numbers } from "./support.js";

const ROWS = 3;
const CLASSES = 5;
const A = numbers(1, ROWS * CLASSES);
const B = numbers(2, ROWS * CLASSES);

/** Central differences of the value by every logit of one side. */
function differences(of) {
  const step = 1 / 1024;
  return A.map((_, i) => {
    const at = (by) => {
      const moved = { a: A.slice(), b: B.slice() };
      moved[of][i] += by;
      return symmetricKl(moved.a, moved.b, CLASSES).value;
    };
    return (at(step) - at(-step)) / (2 * step);
  });
}

export default {
  "a quarter and a half are an eighth of ln 3 apart": () => {
    const { value, rows } = symmetricKl(new Float32Array([Math.log(1 / 4), Math.log(3 / 4)]), new Float32Array(2), 2);
    assert(Math.abs(value - Math.log(3) / 8) < 1e-6, `${value}`);
    assertClose("rows", rows, [Math.log(3) / 8]);
  },
  "equal logits are not apart and pull at nothing": () => {
    const kl = symmetricKl(A, A, CLASSES);
    assertEqual("value", kl.value, 0);
    assert(kl.a.every((d) => d === 0) && kl.b.every((d) => d === 0), "gradients are 0");
  },
  "both sides get the gradient that differences give": () => {
    const kl = symmetricKl(A, B, CLASSES);
    assertClose("a", kl.a, differences("a"));
    assertClose("b", kl.b, differences("b"));
  },
  "swapping the sides swaps the gradients": () => {
    const [one, other] = [symmetricKl(A, B, CLASSES), symmetricKl(B, A, CLASSES)];
    assertClose("value", [other.value], [one.value]);
    assertClose("a", other.b, one.a);
    assertClose("b", other.a, one.b);
  },
  "logits that do not fit are refused by name": async () => {
    const error = await assertCode("b", "WRONG_LENGTH", async () => symmetricKl(A, B.subarray(1), CLASSES));
    assertEqual("what", error.details.what, "b");
    await assertCode("classes", "INVALID_ARGUMENT", async () => symmetricKl(A, B, 0));
    await assertCode("a", "INVALID_ARGUMENT", async () => symmetricKl([...A], B, CLASSES));
  },
};
