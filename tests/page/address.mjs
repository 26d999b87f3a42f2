import assert from "node:assert/strict";

/** The settings in the address. */
export async function testAddress(visit, open) {
  const hash = (page) => page.page.evaluate(() => location.hash);

  await visit("the address is empty for the defaults and names only what differs", "", async (page) => {
    assert.equal(await hash(page), "");
    await page.choose("engine", "cpu");
    await page.set("k", 3);
    await page.until(async () => (await hash(page)) === "#engine=cpu&k=3", "the address");
    await page.set("k", 2);
    await page.until(async () => (await hash(page)) === "#engine=cpu", "the address");
  });

  await visit("what one visitor set, another sees at the same address", "#engine=cpu", async (page) => {
    await page.page.fill("#text", "Café & crème, 100 % #1?");
    await page.set("experts", 12);
    await page.set("k", 4);
    await page.set("factor", 0.6);
    await page.choose("priority", "weight");
    await page.choose("scoring", "sigmoid");
    await page.set("seed", 123);
    await page.until(async () => (await hash(page)).includes("seed=123"), "the address");
    const shown = await page.settled();
    const other = await open(await hash(page));
    try {
      assert.equal(await other.settled(), shown);
    } finally {
      await other.close();
    }
  });

  await visit("back and forward go through the settings", "#engine=cpu", async (page) => {
    const first = await page.settled();
    await page.set("k", 4);
    await page.until(async () => (await hash(page)).includes("k=4"), "the address");
    const second = await page.settled();
    await page.page.goBack();
    await page.until(async () => (await page.shown()) === first, "what was before");
    await page.page.goForward();
    await page.until(async () => (await page.shown()) === second, "what came after");
  });

  await visit("an address without meaning gives the defaults", "#engine=cpu&k=many&capacity=huge&nothing=1", async (page) => {
    const plain = await open("#engine=cpu");
    try {
      assert.equal(await page.settled(), await plain.settled());
    } finally {
      await plain.close();
    }
  });
}
