import assert from "node:assert/strict";
import { fromWww } from "../package/places.mjs";
import { WIDTHS } from "./visit.mjs";

const { AxeBuilder } = await fromWww("@axe-core/playwright");

const COMPARING = "#engine=cpu&factor=0.6&compare=topK*expertChoice*sinkhorn*hash";

/** Everyone can use it: any width, light and dark, keyboard, screen reader. */
export async function testAccess(visit) {
  const at = (width) => ({ viewport: { width, height: 844 }, hasTouch: width < 600 });

  for (const width of WIDTHS) {
    for (const colorScheme of ["light", "dark"]) {
      await visit(`axe finds nothing serious at ${width} pixels, ${colorScheme}`, COMPARING, async (page) => {
        await page.page.waitForSelector("#compare canvas");
        await page.page.$$eval("details", (all) => all.forEach((details) => (details.open = true)));
        const { violations } = await new AxeBuilder({ page: page.page }).analyze();
        const grave = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
        assert.deepEqual(grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(", ")}`), []);
      }, { ...at(width), colorScheme });
    }

    for (const hash of ["#engine=cpu", COMPARING, "#engine=cpu&experts=64&devices=64&k=6", "#engine=cpu&experts=9&text=Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"]) {
      await visit(`nothing is wider than ${width} pixels (${hash.slice(0, 40)})`, hash, async (page) => {
        await page.page.$$eval("details", (all) => all.forEach((details) => (details.open = true)));
        const over = () => page.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(await over(), 0);
        await page.shown();
        assert.equal(await over(), 0, "with tables");
      }, at(width));
    }
  }

  await visit("a finger can hit every control", COMPARING, async (page) => {
    await page.page.$$eval("details", (all) => all.forEach((details) => (details.open = true)));
    const small = await page.page.$$eval("button, input, select, textarea, summary", (controls) =>
      controls
        .map((control) => ({ name: control.ariaLabel || control.id || control.value || control.innerText, ...control.getBoundingClientRect().toJSON() }))
        .filter(({ width, height }) => width < 43.9 || height < 43.9)
        .map(({ name, width, height }) => `${name}: ${width} × ${height}`),
    );
    assert.deepEqual(small, []);
  }, at(390));

  await visit("on a phone the settings are folded away, and refusals are not", "#engine=cpu&capacity=slots&slots=-1", async (page) => {
    assert.equal(await page.page.isVisible("#experts"), false);
    assert.ok(await page.page.isVisible(".problem"));
    await page.page.click("summary:has-text('Settings')");
    assert.ok(await page.page.isVisible("#experts"));
  }, { ...at(390), waits: ".problem" });

  await visit("every figure has words and a table", "#engine=cpu", async (page) => {
    for (const id of ["scores", "flow", "loads", "balance", "bytes"]) {
      assert.ok((await page.text(`#${id} figcaption`)).length > 40, id);
      assert.ok((await page.table(id)).length > 0, id);
      await page.page.click(`#${id} button:has-text("Show as picture")`);
      assert.equal(await page.page.locator(`#${id} .table`).count(), 0);
    }
  });

  await visit("the tab key reaches the tokens once, and arrows go on from there", "#engine=cpu", async (page) => {
    const { keyboard } = page.page;
    const token = () => page.page.evaluate(() => (document.activeElement.ariaLabel ?? document.activeElement.textContent));
    await page.page.focus("#text");
    await keyboard.press("Tab");
    assert.match(await token(), /^Token 0, /);
    await keyboard.press("ArrowRight");
    assert.match(await token(), /^Token 1, /);
    await keyboard.press("Enter");
    assert.match(await page.text("p.focus"), /^Token 1, /);
    await keyboard.press("End");
    assert.match(await token(), /, padding: /);
    await keyboard.press("Tab");
    assert.equal(await token(), "expert 0");
    assert.equal(await page.steps(), 0);
  });

  await visit("sliders say what they mean", "#engine=cpu", async (page) => {
    assert.equal(await page.page.getAttribute("#factor", "aria-valuetext"), "1.25, 4 slots");
    assert.equal(await page.page.getAttribute("#k", "aria-valuetext"), "2 of 8");
    assert.equal(await page.page.getAttribute("#devices", "aria-valuetext"), "4");
  });
}
