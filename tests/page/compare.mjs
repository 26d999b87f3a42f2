import assert from "node:assert/strict";

const FOUR = "compare=topK*expertChoice*sinkhorn*hash";

/** Routers side by side. */
export async function testCompare(visit, open) {
  const hash = (page) => page.page.evaluate(() => location.hash);
  const bands = (page) => page.page.locator("#compare .bands > section").count();
  const timed = (page) => page.until(async () => /^[\d.]+ ms/.test((await measures(page)).get("time of a pass")?.[0] ?? ""), "times");

  await visit("the comparison is closed until it is asked for, and opens with four ways to choose", "#engine=cpu", async (page) => {
    assert.equal(await page.page.locator("#compare").count(), 0);
    await page.page.click("text=Compare with other routers");
    await page.page.waitForSelector("#compare");
    assert.equal(await bands(page), 4);
    assert.equal(new Set(await page.page.$$eval("#compare .direction", (all) => all.map((one) => one.innerText))).size, 4);
    await page.page.click("text=Close the comparison");
    await page.until(async () => (await hash(page)) === "#engine=cpu", "the address without it");
    assert.equal(await page.page.locator("#compare").count(), 0);
  });

  await visit("each router of the comparison does what it does alone", `#engine=cpu&${FOUR}`, async (page) => {
    const shown = await measures(page);
    for (const [i, kind] of ["topK", "expertChoice", "sinkhorn", "hash"].entries()) {
      const alone = await open(`#engine=cpu&router=${kind}`);
      try {
        assert.equal(shown.get("busiest over mean")[i], await alone.text("#value-peak"), kind);
        assert.equal(shown.get("dropped")[i], await alone.text("#value-dropped"), kind);
        assert.equal(shown.get("unserved tokens")[i].split(" ")[0], await alone.text("#value-unserved"), kind);
        assert.equal(shown.get("bytes between devices")[i], (await alone.networkBytes()).toLocaleString("en"), kind);
        assert.equal(shown.get("kernels per pass")[i], await alone.text("#value-dispatches"), kind);
        for (const [id, name] of [["loadBalance", "balance loss"], ["z", "z-loss"]]) {
          const loss = await alone.page.locator(`#value-${id}`).count();
          assert.equal(shown.get(name)[i], loss ? await alone.text(`#value-${id}`) : "–", `${kind}: ${name}`);
        }
        assert.deepEqual(await goes(page, i), await goesAlone(alone), kind);
      } finally {
        await alone.close();
      }
    }
  });

  await visit("the histogram counts every token once", `#engine=cpu&factor=0.6&${FOUR}`, async (page) => {
    const tokens = await page.page.locator(".token").count();
    const sums = await page.page.$$eval("#compare ol", (lists) =>
      lists.map((list) => [...list.querySelectorAll(".unseen")].reduce((sum, { textContent }) => sum + Number.parseInt(textContent, 10), 0)),
    );
    assert.deepEqual(sums, [tokens, tokens, tokens, tokens]);
  });

  await visit("after steps of training all routers that learn have the trained weights", `#engine=cpu&compare=topK*sinkhorn`, async (page) => {
    const before = await measures(page);
    await page.step(6);
    await page.until(async () => (await measures(page)).get("busiest over mean")[0] === (await page.text("#value-peak")), "the same as on the page");
    const after = await measures(page);
    assert.equal(after.get("balance loss")[0], await page.text("#value-loadBalance"));
    assert.notEqual(after.get("z-loss")[1], before.get("z-loss")[1]);
    assert.equal(after.get("z-loss")[0], after.get("z-loss")[1]);
    await page.page.click("button:text-is('Reset')");
    await page.until(async () => (await measures(page)).get("z-loss")[1] === before.get("z-loss")[1], "the seed's weights");
  });

  await visit("routers are added, chosen, set and removed, and a link restores them", "#engine=cpu&compare=topK*hash", async (page) => {
    await page.page.click("text=Add a router");
    await page.until(async () => (await bands(page)) === 3, "a third");
    await page.page.selectOption("#compare-2", "topK");
    await page.page.click("#compare .bands > section:nth-child(3) summary");
    await page.set("compare-2-k", 1);
    await page.page.click("text=Remove router 2");
    await page.until(async () => (await hash(page)) === "#engine=cpu&compare=topK*topK_k-1", "the address");
    await page.until(async () => (await heads(page)).length === 2, "two columns");
    assert.deepEqual(await heads(page), ["Top-k, as it comes", "Top-k, k 1"]);
    const shown = await measures(page);
    assert.match(shown.get("dropped")[0], / of 88$/);
    assert.match(shown.get("dropped")[1], / of 44$/);
    const other = await open(await hash(page));
    try {
      await other.page.waitForSelector("#compare tbody tr");
      const [ours, theirs] = [await measures(page), await measures(other)];
      for (const measures of [ours, theirs]) for (const what of ["routing", "a pass"]) measures.delete(`time of ${what}`);
      assert.deepEqual(theirs, ours);
    } finally {
      await other.close();
    }
    await page.page.click("text=Remove router 2");
    await page.page.click("text=Remove router 1");
    assert.equal(await page.page.locator("#compare").count(), 0);
  });

  await visit("there is room for four and no more", `#engine=cpu&${FOUR}*topK`, async (page) => {
    assert.equal(await bands(page), 4);
    assert.ok(await page.page.isDisabled("text=Add a router"));
  });

  await visit("what is followed tells of each router what it was compared with", `#engine=cpu&devices=1&${FOUR}`, async (page) => {
    await page.page.selectOption("#compare label select", "token 3");
    const told = await page.page.$$eval("#compare .told", (all) => all.map((one) => one.innerText));
    assert.match(told[0], /^Its 8 scores are compared with each other\. It goes to experts? /);
    assert.match(told[1], /^Every expert compares it with the 41 other tokens of its group\./);
    assert.match(told[2], /^All 336 scores of its group are weighed together\./);
    assert.match(told[3], /^Nothing is compared: /);
    assert.match(await page.text("p.focus"), /^Token 3, /);
    await page.page.selectOption("#compare label select", "expert 5");
    const of = await page.page.$$eval("#compare .told", (all) => all.map((one) => one.innerText));
    assert.match(of[1], /^Expert 5 gets 11 tokens: it compared all tokens and took 11\./);
  });

  await visit("the pointer on a score outlines what it was compared with", `#engine=cpu&devices=1&compare=topK*expertChoice`, async (page) => {
    const canvas = page.page.locator("#compare canvas").nth(1);
    await canvas.scrollIntoViewIfNeeded();
    const before = await canvas.evaluate((one) => one.toDataURL());
    await canvas.hover({ position: { x: 40, y: 30 } });
    await page.until(async () => (await canvas.evaluate((one) => one.toDataURL())) !== before, "an outline");
    assert.match(await page.page.locator("#compare .told").nth(1).innerText(), /^Expert 1 compares it with the 41 other tokens/);
  });

  await visit("a router that cannot run says why, and the others run", "#engine=cpu&compare=topK_k-0*hash", async (page) => {
    await page.page.waitForSelector("#compare .problem");
    assert.match(await page.text("#compare .problem"), /router\.k/);
    assert.equal((await measures(page)).get("busiest over mean")[0], "–");
    assert.match((await measures(page)).get("busiest over mean")[1], /^\d/);
  });

  for (const engine of ["webgpu", "cpu"]) {
    await visit(`routing and a pass of each router are timed (${engine})`, `#engine=${engine}&${FOUR}`, async (page) => {
      await timed(page);
      for (const what of ["routing", "a pass"]) {
        assert.ok((await measures(page)).get(`time of ${what}`).every((time) => Number.parseFloat(time) > 0), what);
      }
      assert.match(await page.text("#compare"), /ends once it is known who goes where/);
    });
  }
}

const heads = (page) => page.page.$$eval("#compare table thead th", (cells) => cells.slice(1).map((cell) => cell.innerText));

/** The table of numbers: measure → a value for each router. */
async function measures(page) {
  await page.page.waitForSelector("#compare tbody tr");
  const rows = await page.page.$$eval("#compare table tbody tr", (rows) => rows.map((row) => Array.from(row.cells, (cell) => cell.innerText.trim())));
  return new Map(rows.map(([name, ...values]) => [name, values]));
}

/** Experts of every token in a column of the comparison's own table. */
async function goes(page, column) {
  const rows = await page.table("compare");
  await page.page.click("#compare button:has-text('Show as picture')");
  return rows.map((row) => row[column + 1]);
}

/** The same from the figures of a page with one router. */
async function goesAlone(page) {
  const tokens = await page.page.locator(".token").count();
  const choices = await page.choices();
  return Array.from({ length: tokens }, (_, token) => {
    const own = choices.filter((choice) => choice.token === token);
    return own.map(({ expert, slot }) => (slot === null ? `(${expert})` : String(expert))).join(", ") || "none";
  });
}
