import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../package/places.mjs";

/** Every kind of router by itself, and what differs between them. */
export async function testRouters(visit, open) {
  const hash = (page) => page.page.evaluate(() => location.hash);
  const cards = cardsOf(readFileSync(join(root, "docs/ROUTING.md"), "utf8"));

  await visit("every router can be chosen, runs, and does something else than the others", "#engine=cpu", async (page) => {
    const kinds = await page.page.$$eval("#router option", (options) => options.map(({ value }) => value));
    assert.ok(kinds.length >= 4);
    const seen = new Set();
    for (const kind of kinds) {
      await page.page.selectOption("#router", kind);
      seen.add(await page.settled());
      assert.equal(await page.page.locator(".problem").count(), 0, kind);
      await conserved(page, kind);
    }
    assert.equal(seen.size, kinds.length);
  });

  await visit("the card beside a router is that of docs/ROUTING.md, without empty lines", "#engine=cpu", async (page) => {
    for (const kind of await page.page.$$eval("#router option", (options) => options.map(({ value }) => value))) {
      await page.page.selectOption("#router", kind);
      const { name, lines } = cards.get(kind);
      if (lines.length === 0) {
        assert.equal(await page.page.locator("#card").count(), 0, kind);
        continue;
      }
      await page.page.waitForSelector(`#card h2:text-is("${name}")`);
      const shown = await page.page.$$eval("#card dl > div", (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent.trim())));
      assert.deepEqual(shown, lines, kind);
    }
  });

  await visit("expert choice fills every expert alike, and has no controls of capacity and of k", "#engine=cpu&router=expertChoice", async (page) => {
    const loads = (await page.table("loads")).map(([, demanded]) => demanded);
    assert.equal(new Set(loads).size, 1);
    assert.equal(await page.text("#value-peak"), "1.00");
    for (const id of ["k", "factor"]) assert.equal(await page.page.locator(`#${id}`).count(), 0, id);
    assert.equal(await page.page.locator("[name=capacity]").count(), 0);
    const each = new Map();
    for (const { token } of await page.choices()) each.set(token, (each.get(token) ?? 0) + 1);
    assert.ok(new Set(each.values()).size > 1, "tokens have different numbers of experts");
    const unserved = Number(await page.text("#value-unserved"));
    assert.equal(unserved, (await page.page.locator(".token").count()) - each.size);
    assert.match(await page.text("#bytes .agree"), /^Exact/);
  });

  await visit("a table gives each word one expert, scores nothing and cannot learn, and the page says why", "#engine=cpu&router=hash&capacity=dropless", async (page) => {
    const words = (await page.table("flow")).map(([token, , expert]) => [token.replace(/^\d+ /, "").toLowerCase(), expert]);
    const expertOf = new Map(words);
    assert.ok(words.every(([word, expert]) => expertOf.get(word) === expert));
    assert.ok(new Set(expertOf.values()).size > 1);
    assert.ok((await page.table("scores")).flat().every((cell) => !cell.includes("%")));
    assert.match(await page.text("#scores figcaption"), /^Nothing is scored: /);
    assert.ok(await page.page.isDisabled("button:text-is('Step')"));
    assert.match(await page.text(".transport"), /Nothing here learns: a table decides\./);
    await page.page.keyboard.press("ArrowRight");
    await page.settled();
    assert.equal(await page.page.textContent("#step-count"), "0");
  });

  await visit("an empty text goes through every router", "#engine=cpu&text=", async (page) => {
    for (const kind of await page.page.$$eval("#router option", (options) => options.map(({ value }) => value))) {
      await page.page.selectOption("#router", kind);
      await page.settled();
      assert.equal(await page.page.locator(".problem").count(), 0, kind);
      assert.deepEqual(await page.choices(), []);
    }
  });

  await visit("a router that learns keeps its steps when another that learns takes over, and they end where nothing learns", "#engine=cpu", async (page) => {
    await page.step(4);
    await page.changing(() => page.page.selectOption("#router", "sinkhorn"));
    assert.equal(await page.steps(), 4);
    await page.step(1);
    await page.changing(() => page.page.selectOption("#router", "hash"));
    await page.changing(() => page.page.selectOption("#router", "topK"));
    assert.equal(await page.steps(), 0);
  });

  await visit("a router that was left comes back with its settings", "#engine=cpu&k=3", async (page) => {
    await page.changing(() => page.page.selectOption("#router", "sinkhorn"));
    assert.equal(await page.page.getAttribute("#k", "aria-valuetext"), "1 of 8");
    await page.changing(() => page.page.selectOption("#router", "topK"));
    assert.equal(await page.page.getAttribute("#k", "aria-valuetext"), "3 of 8");
  });

  await visit("the address holds the router and its settings", "#engine=cpu", async (page) => {
    await page.page.selectOption("#router", "hash");
    await page.choose("of", "previous");
    await page.until(async () => (await hash(page)) === "#engine=cpu&router=hash&of=previous", "the address");
    const shown = await page.settled();
    const other = await open(await hash(page));
    try {
      assert.equal(await other.settled(), shown);
    } finally {
      await other.close();
    }
  });

  await visit("an address from before there was a choice of routers opens as it did", "#engine=cpu&k=3&scoring=sigmoid&renormalize=preDrop", async (page) => {
    assert.equal(await page.page.inputValue("#router"), "topK");
    assert.equal(await page.page.getAttribute("#k", "aria-valuetext"), "3 of 8");
    assert.ok(await page.page.isChecked("[name=scoring][value=sigmoid]"));
    const weights = new Map();
    for (const { token, weight } of await page.choices()) weights.set(token, (weights.get(token) ?? 0) + weight);
    assert.equal((await page.choices()).length, 3 * weights.size);
  });

  await visit("the code that is copied has the table and the words' numbers", "#engine=cpu&router=hash&tables=2", async (page) => {
    await page.page.click("text=Copy as code");
    await page.page.waitForSelector("text=Code copied.");
    const code = await page.page.evaluate(() => navigator.clipboard.readText());
    assert.match(code, /kind: "hash"/);
    assert.equal(code.match(/new Uint32Array\(\[/g).length, 3);
    assert.match(code, /tokenIds: new Uint32Array\(\[0, 1, /);
    assert.match(code, /forward\(x, \{ train: true, \.\.\.labels \}\)/);
  });

  await visit("a table by word counts deals out the commonest words first, each to the expert with the fewest so far", "#engine=cpu&router=hash", async (page) => {
    await page.page.click("text=Copy as code");
    await page.page.waitForSelector("text=Code copied.");
    const code = await page.page.evaluate(() => navigator.clipboard.readText());
    const numbers = (name) => code.match(new RegExp(`${name}: new Uint32Array\\(\\[(.*?)\\]\\)`))[1].split(", ").map(Number);
    const [table, ids] = [numbers("table"), numbers("tokenIds")];
    const counts = table.map((_, id) => ids.filter((other) => other === id).length);
    const loads = new Array(8).fill(0);
    const dealt = [];
    // sorting is stable: words that come as often stay in the order in which they first came
    for (const id of [...counts.keys()].sort((a, b) => counts[b] - counts[a])) {
      dealt[id] = loads.indexOf(Math.min(...loads));
      loads[dealt[id]] += counts[id];
    }
    assert.deepEqual(table, dealt);
  });

  await visit("several tables by word counts are different ones", "#engine=cpu&router=hash&tables=2&capacity=dropless", async (page) => {
    const places = new Map();
    for (const { token, expert } of await page.choices()) places.set(token, [...(places.get(token) ?? []), expert % 4]);
    assert.ok([...places.values()].every((own) => own.length === 2));
    assert.ok([...places.values()].some(([one, other]) => one !== other));
  });

  await visit("a handshake is drawn and summed, and moves no empty slots", "#engine=cpu&router=tokenThenExpert&room=2", async (page) => {
    const titles = () => page.page.$$eval("#bytes .matrix h3", (titles) => titles.map((title) => title.textContent.split(":")[0]));
    assert.deepEqual(await titles(), ["Dispatch", "Combine"]);
    assert.match(await page.text("#bytes .agree"), /^Exact/);
    await page.choose("exchange", "handshake");
    for (const answer of ["once", "again", "deferred", "immediate"]) {
      await page.choose("answer", answer);
      await page.until(async () => (await titles()).length === 4, "the handshake");
      await page.page.waitForTimeout(500);
      assert.deepEqual(await titles(), ["Nominate", "Reply", "Dispatch", "Combine"], answer);
      assert.match(await page.text("#bytes .agree"), /^Exact/, answer);
    }
    const sent = await page.table("bytes");
    assert.deepEqual([...new Set(sent.map(([op]) => op))], ["nominate", "reply", "dispatch", "combine"]);
    assert.ok(sent.every(([, , , bytes, useful]) => bytes === useful));
  });

  await visit("experts that choose over all devices have one group, and the page says so", "#engine=cpu&router=tokenThenExpert&exchange=handshake&groups=2", async (page) => {
    assert.match(await page.text(".remarks"), /see one group, and not 2 on each device/);
    const loads = (await page.table("loads")).map(([, , kept]) => Number(kept));
    const tokens = await page.page.locator(".token").count();
    const slots = Math.ceil((tokens * 1.25) / 8);
    assert.ok(loads.every((kept) => kept <= slots) && Math.max(...loads) > Math.ceil(slots / 8), `${loads} of ${slots}`);
  });

  for (const kind of ["expertChoice", "sinkhorn", "hash", "tokenThenExpert"]) {
    await visit(`both engines show the same routing (${kind})`, `#router=${kind}`, async (page) => {
      assert.match(await page.place(), /WebGPU \(/);
      const cpu = await open(`#engine=cpu&router=${kind}`);
      try {
        const bare = (choices) => choices.map(({ weight, ...choice }) => choice);
        assert.deepEqual(bare(await page.choices()), bare(await cpu.choices()));
        assert.deepEqual(await page.table("bytes"), await cpu.table("bytes"));
      } finally {
        await cpu.close();
      }
    });
  }
}

/** What is kept and dropped in one figure is kept and dropped in the others. */
async function conserved(page, kind) {
  const choices = await page.choices();
  const loads = await page.table("loads");
  const of = (expert, kept) => choices.filter((choice) => choice.expert === expert && (choice.slot !== null || !kept)).length;
  for (const [expert, demanded, kept] of loads.map((row) => row.map(Number))) {
    assert.equal(demanded, of(expert, false), `${kind}: expert ${expert} is wanted`);
    assert.equal(kept, of(expert, true), `${kind}: expert ${expert} keeps`);
  }
  const served = new Set(choices.filter(({ slot }) => slot !== null).map(({ token }) => token));
  const tokens = await page.page.locator(".token").count();
  assert.equal(Number(await page.text("#value-unserved")), tokens - served.size, kind);
  assert.equal(await page.page.locator(".token.unserved").count(), tokens - served.size, kind);
}

/** The cards by kind: a name, and what is filled in, as `[key, value]` without the marks of code. */
function cardsOf(markdown) {
  const cards = new Map();
  for (const section of markdown.split(/^## /m).slice(1)) {
    const kind = section.match(/kind: "(\w+)"/)?.[1];
    const lines = [...section.matchAll(/^- \*\*(.+?):\*\* (\S.*)$/gm)].map(([, key, value]) => [key, value.replaceAll("`", "").trim()]);
    if (kind) cards.set(kind, { name: section.split("\n")[0].trim(), lines });
  }
  return cards;
}
