import assert from "node:assert/strict";

/** A start at which every control makes a difference: choices are dropped, on several devices. */
const START = "#engine=cpu&factor=0.7";

const CONTROLS = [
  ["experts", (page) => page.set("experts", 12)],
  ["k", (page) => page.set("k", 3)],
  ["scoring", (page) => page.choose("scoring", "sigmoid")],
  ["renormalisation", (page) => page.choose("renormalize", "preDrop")],
  ["prototypes", (page) => page.set("prototypes", 1)],
  ["draws instead of the best", (page) => page.choose("exploration", "sample")],
  ["second choices by chance", (page) => page.choose("secondPolicy", "random")],
  ["as many experts as cover a share", (page) => page.choose("takes", "topP")],
  ["experts above a score", (page) => page.choose("takes", "minScore")],
  ["jitter of the router's input", (page) => page.set("jitter", 4)],
  ["dropout of the router's input", (page) => page.set("dropout", 3)],
  ["seed", (page) => page.set("seed", 8)],
  ["another seed by the die", (page) => page.page.click("[aria-label='Roll another seed']")],
  ["no limit of capacity", (page) => page.choose("capacity", "dropless")],
  ["a fixed capacity", (page) => page.choose("capacity", "slots")],
  ["capacity factor", (page) => page.set("factor", 2)],
  ["convention of the capacity", (page) => page.choose("per", "token")],
  ["rounding", (page) => page.choose("round", "floor")],
  ["priority", (page) => page.choose("priority", "batch")],
  ["order", (page) => page.choose("order", "token")],
  // Of eight experts the divisors are 1, 2, 4 and 8; the slider counts them.
  ["devices", (page) => page.set("devices", 1)],
  ["groups", (page) => page.set("groups", 1)],
  ["width", (page) => page.set("width", 2)],
  ["engine", (page) => page.choose("engine", "webgpu")],
];

/** What visitors change changes what they see. */
export async function testControls(visit) {
  for (const [name, act] of CONTROLS) {
    await visit(`${name}: the control changes what is shown`, START, (page) => page.changing(() => act(page)));
  }

  for (const [name, act] of [
    ["weight of the balance loss", (page) => page.set("balance-weight", -1)],
    ["weight of the z-loss", (page) => page.set("z-weight", 4)],
    ["learning rate", (page) => page.set("rate", 8)],
  ]) {
    await visit(`${name}: the control changes what a step does`, START, async (page) => {
      await page.step(3);
      const usual = await page.shown();
      await page.page.click("button:text-is('Reset')");
      await page.until(async () => (await page.steps()) === 0, "the reset");
      await act(page);
      await page.step(3);
      assert.notEqual(await page.shown(), usual);
    });
  }

  await visit("typing changes the tokens and their routing", "#engine=cpu", async (page) => {
    const before = await page.choices();
    await page.page.fill("#text", "One two, three.");
    await page.until(async () => (await page.choices()).length !== before.length, "other tokens");
    const words = await page.page.$$eval(".token .text", (texts) => texts.map((text) => text.innerText));
    assert.deepEqual(words.filter((word) => word !== "·"), ["One", "two", ",", "three", "."]);
  });

  await visit("a word is split before its ending, and the pieces stay together", "#engine=cpu&text=routing", async (page) => {
    const pieces = await page.page.$$eval(".word:first-child .text", (texts) => texts.map((text) => text.innerText));
    assert.deepEqual(pieces, ["rout", "ing"]);
  });

  await visit("padding fills the last device and is told", "#engine=cpu&text=one+two+three", async (page) => {
    assert.equal(await page.page.locator(".token.padding").count(), 1);
    assert.match(await page.text(".aside"), /^3 tokens, and 1 of padding/);
  });

  await visit("devices that do not divide the experts give way, in words, and come back", "#engine=cpu&experts=9", async (page) => {
    assert.match(await page.text(".remarks"), /9 experts do not split evenly over 4 devices, so 3 are used/);
    assert.match(await page.text("#bytes figcaption"), /between 3 devices/);
    await page.changing(() => page.set("experts", 8));
    assert.equal((await page.text(".remarks")).trim(), "");
    assert.match(await page.text("#bytes figcaption"), /between 4 devices/);
  });

  await visit("what the layer refuses is told beside the controls, and the last result stays", "#engine=cpu&capacity=slots", async (page) => {
    const before = await page.shown();
    await page.set("slots", -1);
    await page.page.waitForSelector(".problem");
    assert.match(await page.text(".problem"), /capacity\.slots.*-1.*What you see is the last result\./s);
    assert.equal(await page.shown(), before);
    await page.set("slots", 2);
    await page.page.waitForSelector(".problem", { state: "detached" });
    assert.notEqual(await page.settled(), before);
  });

  await visit("every phrase to try loads its settings and gives a result", "#engine=cpu&text=a+few+words+of+mine", async (page) => {
    const phrases = page.page.locator(".plates > p:first-child button");
    const seen = new Set([await page.settled()]);
    for (let i = 0; i < (await phrases.count()); i++) {
      await phrases.nth(i).click();
      seen.add(await page.settled());
      assert.equal(await page.page.locator(".problem").count(), 0);
      assert.equal(await page.page.inputValue("#text"), "a few words of mine");
    }
    assert.equal(seen.size, (await phrases.count()) + 1);
  });

  await visit("a token that is clicked stays lit in every view, until it is clicked again", "#engine=cpu", async (page) => {
    const dim = () => page.page.locator(".token.dim").count();
    await page.page.click(".token >> nth=2");
    await page.page.mouse.move(0, 0);
    assert.match(await page.text("p.focus"), /^Token 2, /);
    assert.equal(await dim(), (await page.page.locator(".token").count()) - 1);
    assert.equal(await page.page.locator("#flow path[opacity='0.95']").count() <= 2, true);
    await page.page.click(".token >> nth=2");
    await page.page.mouse.move(0, 0);
    assert.equal(await dim(), 0);
  });

  await visit("an expert and a device can be lit too", "#engine=cpu", async (page) => {
    await page.page.hover("[aria-label='expert 3']");
    assert.match(await page.text("p.focus"), /^Expert 3 lives on device 1\./);
    await page.page.hover("[aria-label='device 2']");
    assert.match(await page.text("p.focus"), /^Device 2 of 4 receives/);
  });
}
