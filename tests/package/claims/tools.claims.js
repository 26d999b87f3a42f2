/** What works without a runtime. */
import { hashTable } from "/node_modules/webmoe/dist/index.js";
import * as inline from "/node_modules/webmoe/dist/inline.js";
import * as slim from "/node_modules/webmoe/dist/slim.js";
import { assert, assertCode, assertEqual, numbers, WASM } from "./support.js";

const CORPUS = new Uint32Array([2, 0, 2, 2, 1, 2, 1]);

/** Embeddings of ids that are alike if they are both even or both odd. */
const PARITY = Float32Array.from({ length: 24 }, (_, i) => 10 * (Math.floor(i / 2) % 2) + 0.1 * numbers(1, 24)[i]);

/** Options that cannot be, with the code and the word of the error. */
const REFUSED = {
  "no options": [undefined, "INVALID_ARGUMENT", "options"],
  "no kind": [{ experts: 4 }, "INVALID_ARGUMENT", "kind"],
  "no experts": [{ kind: "random", vocabulary: 10 }, "INVALID_ARGUMENT", "experts"],
  "no expert at all": [{ kind: "random", vocabulary: 10, experts: 0 }, "INVALID_ARGUMENT", "experts"],
  "no ids": [{ kind: "balanced", experts: 4 }, "INVALID_ARGUMENT", "counts"],
  "ids that are not typed": [{ kind: "balanced", experts: 4, counts: [1, 2] }, "INVALID_ARGUMENT", "counts"],
  "an id beyond the vocabulary": [
    { kind: "balanced", experts: 4, tokenIds: CORPUS, vocabulary: 2 },
    "INVALID_ARGUMENT",
    "tokenIds[0]",
  ],
  "half an embedding": [
    { kind: "clustered", experts: 2, embeddings: new Float32Array(5), width: 2 },
    "WRONG_LENGTH",
    "embeddings",
  ],
  "an embedding that is no number": [
    { kind: "dispersed", experts: 2, embeddings: new Float32Array([1, NaN]), width: 2 },
    "NON_FINITE",
    "embeddings[1]",
  ],
};

const refusals = Object.entries(REFUSED).map(([what, [options, code, word]]) => [
  `hashTable refuses ${what}`,
  async () => {
    const error = await assertCode(what, code, () => hashTable(options));
    assert(error.message.includes(word), `${error.message} names ${word}`);
  },
]);

export default {
  "a corpus makes a balanced table": async () => {
    const table = await hashTable({ kind: "balanced", experts: 2, tokenIds: CORPUS, vocabulary: 4 });
    assert(table instanceof Uint32Array, "a Uint32Array");
    // the commonest id fills one expert, the others share the second, until that is as full
    assertEqual("table", [...table], [1, 1, 0, 1]);
    assertEqual("by counts", [...(await hashTable({ kind: "balanced", experts: 2, counts: new Uint32Array([1, 2, 4, 0]) }))], [1, 1, 0, 1]);
  },
  "a random table repeats with its seed": async () => {
    const of = async (seed) => [...(await hashTable({ kind: "random", experts: 7, vocabulary: 200, seed }))];
    assertEqual("the same seed", await of(3), await of(3));
    assert((await of(3)).join() !== (await of(4)).join(), "another seed, another table");
    assert((await of(3)).every((expert) => expert < 7), "experts that there are");
  },
  "ids that mean alike are kept together or apart": async () => {
    const of = (kind) => hashTable({ kind, experts: 2, embeddings: PARITY, width: 2 });
    const [together, apart] = [await of("clustered"), await of("dispersed")];
    assert(together.every((expert, id) => expert === together[id % 2]) && together[0] !== together[1], `${together}`);
    const evens = apart.filter((_, id) => id % 2 === 0);
    assertEqual("half of the even ids", evens.filter((expert) => expert === 0).length, 3);
  },
  "every entry makes the same table": async () => {
    const options = { kind: "random", experts: 4, vocabulary: 50, seed: 1 };
    const [one, two, three] = [await hashTable(options), await inline.hashTable(options), await slim.hashTable({ ...options, wasm: WASM })];
    assertEqual("inline", [...two], [...one]);
    assertEqual("slim", [...three], [...one]);
    await assertCode("slim without a module", "INVALID_ARGUMENT", () => slim.hashTable(options));
  },
  ...Object.fromEntries(refusals),
};
