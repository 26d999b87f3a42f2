import assert from "node:assert/strict";

/** Play, step and reset; keys; the live region. */
export async function testSteps(visit) {
  for (const [engine, place] of [["webgpu", /^This layer runs on WebGPU/], ["cpu", /^This layer runs on the CPU engine, as you asked/]]) {
    await visit(`steps even out the loads, and reset restores exactly what was (${engine})`, `#engine=${engine}`, async (page) => {
      assert.match(await page.place(), place);
      const before = await page.shown();
      const loss = async () => Number(await page.text("#value-loadBalance"));
      const first = await loss();
      await page.step(15);
      const last = await loss();
      assert.ok(last - 1 < (first - 1) / 2, `the balance loss went from ${first} to ${last}`);
      assert.match(await page.text("#balance figcaption"), /^In 15 steps the balance loss went from/);
      assert.equal((await page.table("balance")).length, 16);
      await page.page.click("button:text-is('Reset')");
      await page.until(async () => (await page.steps()) === 0, "the reset");
      assert.equal(await page.shown(), before);
    });
  }

  await visit("a balance loss turned around makes the loads collapse", "#engine=cpu&k=1&devices=1&balance=-1&rate=0.02&capacity=dropless", async (page) => {
    const first = Number(await page.text("#value-peak"));
    await page.step(20);
    const last = Number(await page.text("#value-peak"));
    assert.ok(last > 1.5 * first, `the busiest expert went from ${first} to ${last}`);
  });

  await visit("steps stay when only the capacity changes", "#engine=cpu", async (page) => {
    await page.step(10);
    const scores = await page.text("#scores");
    await page.changing(() => page.choose("capacity", "dropless"));
    assert.equal(await page.steps(), 10);
    await page.table("scores");
    assert.equal((await page.text("#scores tbody")).length > 0, true);
    assert.equal(await page.text("#scores figcaption"), scores.split("\n").at(-1));
  });

  await visit("play goes on until it is paused", "#engine=cpu", async (page) => {
    await page.page.click("text=Play");
    await page.until(async () => (await page.steps()) >= 5, "five steps");
    await page.page.click("text=Pause");
    await page.page.waitForTimeout(400);
    const stopped = await page.steps();
    await page.page.waitForTimeout(500);
    assert.equal(await page.steps(), stopped);
  });

  await visit("a page that is hidden pauses", "#engine=cpu", async (page) => {
    await page.page.click("text=Play");
    await page.page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await page.page.waitForSelector("text=Play");
  });

  await visit("space plays and pauses, → steps, r resets", "#engine=cpu", async (page) => {
    const { keyboard } = page.page;
    await keyboard.press("ArrowRight");
    await page.until(async () => (await page.steps()) === 1, "a step");
    await keyboard.press(" ");
    await page.page.waitForSelector("text=Pause");
    await page.until(async () => (await page.steps()) > 2, "more steps");
    await keyboard.press(" ");
    await page.page.waitForSelector("text=Play");
    await keyboard.press("r");
    await page.until(async () => (await page.steps()) === 0, "the reset");
  });

  await visit("keys that are typed are text", "#engine=cpu", async (page) => {
    await page.page.click("#text");
    await page.page.keyboard.press("End");
    await page.page.keyboard.type(" r ");
    await page.page.keyboard.press("ArrowRight");
    await page.settled();
    assert.equal(await page.steps(), 0);
    assert.ok((await page.page.inputValue("#text")).endsWith(" r "));
    assert.equal(await page.page.locator("text=Pause").count(), 0);
  });

  await visit("the live region speaks at most once in two seconds", "#engine=cpu", async (page) => {
    await page.page.evaluate(() => {
      globalThis.spoken = [];
      const region = document.querySelector("[aria-live]");
      new MutationObserver(() => spoken.push(performance.now())).observe(region, { childList: true, characterData: true, subtree: true });
    });
    await page.page.click("text=Play");
    await page.until(() => page.page.evaluate(() => spoken.length >= 3), "three sentences");
    const times = await page.page.evaluate(() => spoken);
    const pauses = times.slice(1).map((time, i) => time - times[i]);
    assert.ok(pauses.every((pause) => pause > 1900), `pauses of ${pauses.map(Math.round)} ms`);
    assert.match(await page.text("[aria-live]"), /\d+ tokens routed to 8 experts/);
  });
}
