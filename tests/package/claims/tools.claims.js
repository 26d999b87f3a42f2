/** What works without a runtime. */
import { addDomain, createRuntime, hashTable, mixDomains, removeDomain } from "/node_modules/webmoe/dist/index.js";
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

/** `ln p` of three tokens under two domains. */
const LIKELY = Float32Array.from([0.5, 0.25, 0.5, 0.125, 0.25, 0.5].map(Math.log));

/** Whether numbers agree as those of f32 do. */
const near = (what, got, want) => assert(want.every((value, i) => Math.abs(got[i] - value) < 1e-6), `${what}: ${got}, wanted ${want}`);

const DOMAINS = { dModel: 4, dFf: 6, experts: 3, router: { kind: "domain" }, seed: 5 };

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
  "domains count as much as they foresaw": async () => {
    const exact = await mixDomains({ logProbabilities: LIKELY, domains: 2, mode: "cachedPrior" });
    near("weights", exact.weights, [1 / 2, 1 / 2, 2 / 3, 1 / 3, 8 / 9, 1 / 9]);
    near("next", exact.next, [4 / 5, 1 / 5]);
    near("log probabilities", exact.logProbabilities, [0.375, 0.375, 5 / 18].map(Math.log));
    const last = await mixDomains({ logProbabilities: LIKELY, domains: 2, posterior: "lastToken", prior: new Float64Array([3, 1]) });
    near("by the last token", last.weights, [1 / 2, 1 / 2, 6 / 7, 1 / 7, 12 / 13, 1 / 13]);
    const uniform = await mixDomains({ logProbabilities: LIKELY, domains: 2, mode: "uniform" });
    near("uniform", uniform.weights, new Array(6).fill(1 / 2));
    const single = await mixDomains({ logProbabilities: LIKELY, domains: 2, mode: "single", domain: 1 });
    near("single", single.weights, [0, 1, 0, 1, 0, 1]);
  },
  "a text in pieces is mixed as the whole": async () => {
    const of = (logProbabilities, prior) => mixDomains({ logProbabilities, domains: 2, sequence: 1, prior });
    const whole = await of(LIKELY);
    const first = await of(LIKELY.subarray(0, 2));
    near("the rest", (await of(LIKELY.subarray(2), first.prior)).weights, [...whole.weights.subarray(2)]);
  },
  "mixDomains says what is wrong": async () => {
    const options = { logProbabilities: LIKELY, domains: 2 };
    await assertCode("no domains", "INVALID_ARGUMENT", () => mixDomains({ logProbabilities: LIKELY }));
    await assertCode("half a row", "WRONG_LENGTH", () => mixDomains({ ...options, domains: 4 }));
    await assertCode("a mode", "INVALID_ARGUMENT", () => mixDomains({ ...options, mode: "all" }));
    await assertCode("no domain", "INVALID_ARGUMENT", () => mixDomains({ ...options, mode: "single" }));
    await assertCode("a prior of one", "WRONG_LENGTH", () => mixDomains({ ...options, prior: new Float64Array(1) }));
    await assertCode("a prior of f32", "INVALID_ARGUMENT", () => mixDomains({ ...options, prior: new Float32Array(2) }));
  },
  "a domain comes and goes again": async () => {
    const runtime = await createRuntime({ device: "cpu" });
    const layer = await runtime.createLayer(DOMAINS);
    const weights = await layer.weights();
    const more = await addDomain({ config: layer.config, weights, prior: new Float64Array([1, 4, 1]) });
    near("prior", more.prior, [1 / 6, 1 / 3, 1 / 6, 1 / 3]);
    const x = numbers(7, 2 * 4);
    const wider = await runtime.createLayer(more.config);
    await wider.setWeights(more.weights);
    const [child, parent] = await Promise.all([wider, layer].map((of, i) => of.forward(x, { domain: new Uint32Array(2).fill(i === 0 ? 3 : 1) })));
    assertEqual("the new expert is the copy", [...child.output], [...parent.output]);
    const less = await removeDomain({ ...more, domain: 3 });
    assertEqual("config", less.config, layer.config);
    assertEqual("weights", [...less.weights.w1], [...weights.w1]);
    await assertCode("no such domain", "INVALID_ARGUMENT", () => removeDomain({ config: layer.config, weights, domain: 3 }));
    await assertCode("weights of another layer", "WRONG_LENGTH", () => addDomain({ config: more.config, weights }));
    runtime.dispose();
  },
  ...Object.fromEntries(refusals),
};
