import assert from "node:assert/strict";

const SETTINGS = [
  "#engine=cpu",
  "#engine=cpu&factor=0.5&k=3",
  "#engine=cpu&capacity=dropless",
  "#engine=cpu&capacity=slots&slots=3&groups=2&devices=2",
  "#engine=cpu&experts=64&devices=64",
  "#engine=cpu&devices=1",
  "#engine=cpu&capacity=slots&slots=0",
];

/** Bytes of a token's row at the default width. */
const ROW = 32 * 4;

/** The page's numbers fit each other and the definitions: conservation, capacity, bytes. */
export async function testNumbers(visit) {
  for (const hash of SETTINGS) {
    const fields = new URLSearchParams(hash.slice(1));
    const read = (name, otherwise) => Number(fields.get(name) ?? otherwise);
    const [experts, devices, k] = [read("experts", 8), read("devices", 4), read("k", 2)];
    const groups = devices * read("groups", 1);

    await visit(`choices, loads, slots and bytes fit each other (${hash})`, hash, async (page) => {
      const choices = await page.choices();
      const tokens = choices.length / k;
      const slots = capacity(fields, tokens / groups, experts, k);
      await conserved(page, choices, { tokens, experts, k });
      withinSlots(choices, { inGroup: tokens / groups, slots });
      await counted(page, choices, { tokens, experts, devices, groups, slots });
    });
  }

  await visit("a text without tokens is routed to nothing, and nothing breaks", "#engine=cpu&text=", async (page) => {
    assert.deepEqual(await page.choices(), []);
    assert.equal(await page.text("#value-dropped"), "0 of 0");
    await page.page.fill("#text", "Something after all.");
    await page.until(async () => (await page.choices()).length > 0, "tokens");
  });
}

/** Slots of an expert in a group of `tokens`: conventions A and B, rounded up. */
function capacity(fields, tokens, experts, k) {
  if (fields.get("capacity") === "dropless") return Infinity;
  if (fields.get("capacity") === "slots") return Number(fields.get("slots"));
  return Math.ceil((Number(fields.get("factor") ?? 1.25) * k * tokens) / experts);
}

const transposed = (matrix) => matrix.map((line, i) => line.map((_, j) => matrix[j][i]));

const network = (matrix) => matrix.flatMap((line, i) => line.filter((_, j) => i !== j)).reduce((all, bytes) => all + bytes, 0);

/** Every choice is kept or dropped exactly once. */
async function conserved(page, choices, { tokens, experts, k }) {
  const loads = await page.table("loads");
  const sum = (column) => loads.reduce((all, row) => all + Number(row[column]), 0);
  const kept = choices.filter(({ slot }) => slot !== null);
  assert.equal(new Set(choices.map(({ token }) => token)).size, tokens);
  assert.equal(loads.length, experts);
  assert.equal(sum(1), tokens * k, "demanded");
  assert.equal(sum(2) + sum(3), tokens * k, "kept and dropped");
  assert.equal(sum(2), kept.length, "kept");
  assert.equal(await page.text("#value-dropped"), `${sum(3)} of ${tokens * k}`);
  assert.equal(await page.text("#value-unserved"), String(tokens - new Set(kept.map(({ token }) => token)).size));
}

/** No two choices share a slot, and none is beyond the capacity. */
function withinSlots(choices, { inGroup, slots }) {
  const kept = choices.filter(({ slot }) => slot !== null);
  const places = new Set(kept.map(({ token, expert, slot }) => `${Math.floor(token / inGroup)} ${expert} ${slot}`));
  assert.equal(places.size, kept.length);
  assert.ok(kept.every(({ slot }) => slot < slots), `a slot is not below ${slots}`);
}

/** The matrices are what the routing moves, and their sum is the total. */
async function counted(page, choices, { tokens, experts, devices, groups, slots }) {
  const useful = Array.from({ length: devices }, () => Array(devices).fill(0));
  for (const { token, expert, slot } of choices) {
    if (slot !== null) useful[Math.floor(token / (tokens / devices))][Math.floor(expert / (experts / devices))] += ROW;
  }
  const full = (experts / devices) * (groups / devices) * slots * ROW;
  const wire = useful.map((line) => line.map((moved) => (slots === Infinity ? moved : full)));
  assert.deepEqual(await page.bytes("dispatch", devices), { wire, useful });
  assert.deepEqual(await page.bytes("combine", devices), { wire: transposed(wire), useful: transposed(useful) });
  if (devices === 1) {
    assert.match(await page.text("#bytes figcaption"), /no network/);
    return;
  }
  const counts = slots === Infinity ? devices * (devices - 1) * (experts / devices) * 4 : 0;
  assert.equal(await page.networkBytes(), 2 * network(wire) + counts);
  assert.match(await page.text("#bytes .agree"), /^Exact/);
}
