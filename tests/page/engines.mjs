import assert from "node:assert/strict";

/** Where the layer runs, and that the page says so. */
export async function testEngines(visit, open) {
  await visit("the example is routed on WebGPU as soon as the page is open, and the page says so", "", async (page) => {
    assert.match(await page.place(), /^This layer runs on WebGPU \(.+\)\.$/);
    assert.ok((await page.choices()).length > 40);
    assert.match(await page.text("#loads figcaption"), /^Expert \d is wanted most: \d+ choices/);
  });

  await visit("the CPU engine runs when the address asks for it, and the page says so", "#engine=cpu", async (page) => {
    assert.match(await page.place(), /^This layer runs on the CPU engine, as you asked/);
    assert.ok((await page.choices()).length > 40);
  });

  await visit(
    "without navigator.gpu the CPU engine runs, and the page says why",
    "",
    async (page) => {
      assert.match(await page.place(), /^This layer runs on the CPU engine, because there is no WebGPU for it: .{10,}\./);
      assert.ok((await page.choices()).length > 40);
    },
    { init: () => delete Navigator.prototype.gpu },
  );

  await visit(
    "an adapter that gives no device leaves the visitor on the CPU engine, with the reason",
    "",
    async (page) => {
      assert.match(await page.place(), /^This layer runs on the CPU engine, because there is no WebGPU for it: .{10,}\./);
    },
    { init: () => (GPUAdapter.prototype.requestDevice = () => Promise.reject(new Error("no device today"))) },
  );

  await visit("both engines show the same routing, bytes and losses", "", async (page) => {
    assert.match(await page.place(), /WebGPU \(/);
    const cpu = await open("#engine=cpu");
    try {
      const result = async (at) => ({ choices: await at.choices(), bytes: await at.table("bytes"), loads: await at.table("loads") });
      const [ours, theirs] = [await result(page), await result(cpu)];
      const apart = (a, b) => Math.abs(a - b) > 0.0011;
      assert.deepEqual(ours.bytes, theirs.bytes);
      assert.deepEqual(ours.loads, theirs.loads);
      assert.deepEqual(ours.choices.map(withoutWeight), theirs.choices.map(withoutWeight));
      assert.ok(!ours.choices.some(({ weight }, i) => apart(weight, theirs.choices[i].weight)));
      for (const loss of ["loadBalance", "z", "importance"]) {
        const [a, b] = [Number(await page.text(`#value-${loss}`)), Number(await cpu.text(`#value-${loss}`))];
        assert.ok(!apart(a, b), `${loss}: ${a} and ${b}`);
      }
    } finally {
      await cpu.close();
    }
  });

  await visit(
    "a missing module is told in words that help, and the page is not blank",
    "",
    async (page) => {
      assert.match(await page.text(".failure"), /The layer could not be loaded\..*Load the page again/s);
      assert.match(await page.text(".failure"), /webmoe_bg|404/);
      assert.ok((await page.page.locator(".token").count()) > 40);
      assert.ok(await page.page.isDisabled("button:text-is('Step')"));
    },
    { missing: /\.wasm$/, waits: ".failure" },
  );

  await visit(
    "without scripts the page explains itself",
    "",
    async (page) => {
      assert.match(await page.text("main"), /sparse expert model.*needs JavaScript/s);
    },
    { script: false, waits: "main" },
  );
}

const withoutWeight = ({ weight, ...choice }) => choice;
