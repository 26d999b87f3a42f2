/** A visit to the page: what a person does there, and what they read. */

/** Longest wait for one thing to happen; the first pass on a software adapter compiles every shader. */
const PATIENCE_MS = 60_000;

export const WIDTHS = [390, 1024, 1440];

export class Visit {
  /** What consoles said that should have stayed silent, over all visits. */
  static complaints = [];

  #close;

  constructor(page, close) {
    this.page = page;
    this.#close = close;
  }

  /**
   * Opens the page and waits for its first result.
   * @param hash the settings in the address
   * @param how `init`: runs before the page's own script; `missing`: files that are not found; `script`: whether it runs;
   * `waits`: a selector instead of the first result; the rest is playwright's
   */
  static async open(browser, address, hash = "", { init, missing, script = true, waits = "#value-dropped", ...how } = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, javaScriptEnabled: script, ...how });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    if (!missing) {
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) Visit.complaints.push(`${hash}: ${message.text()}`);
      });
      page.on("pageerror", (error) => Visit.complaints.push(`${hash}: ${error.message}`));
    } else {
      await page.route(missing, (route) => route.fulfill({ status: 404, body: "not found" }));
    }
    if (init) await page.addInitScript(init);
    await page.goto(address + hash);
    await page.waitForSelector(waits);
    return new Visit(page, () => context.close());
  }

  close() {
    return this.#close();
  }

  /** Visible text of one element. */
  text(selector) {
    return this.page.innerText(selector);
  }

  /** The sentence about the engine. */
  place() {
    return this.text("#place");
  }

  /** A figure's table: rows of cells, without the head. The figure stays a table. */
  async table(figure) {
    const toggle = this.page.locator(`#${figure} button:has-text("Show as table")`);
    if (await toggle.count()) await toggle.click();
    return this.page.$$eval(`#${figure} tbody tr`, (rows) => rows.map((row) => Array.from(row.cells, (cell) => cell.innerText.trim())));
  }

  /** Everything that a result determines, as one text. Leaves out the time. */
  async shown() {
    for (const figure of ["scores", "flow", "loads", "bytes"]) await this.table(figure);
    return this.page.evaluate(() => {
      const figures = ["scores", "flow", "loads", "bytes"].map((id) => document.getElementById(id).innerText);
      const values = [...document.querySelectorAll("dl .value")].filter((value) => value.id !== "value-milliseconds");
      // Of the comparison all but the time.
      figures.push(...Array.from(document.querySelectorAll("#compare tr:not(.time)"), (row) => row.innerText));
      return [...figures, ...values.map((value) => value.innerText), document.querySelector("#place").innerText].join("\n");
    });
  }

  /** Acts, and waits until what is shown has changed. */
  async changing(act) {
    const before = await this.shown();
    await act();
    await this.until(async () => (await this.shown()) !== before, "the page to show something else");
  }

  /** Waits until what is shown has not changed for a while. */
  async settled() {
    let last = "";
    await this.until(async () => {
      const before = last;
      last = await this.shown();
      await this.page.waitForTimeout(200);
      return last === before;
    }, "the page to come to rest");
    return last;
  }

  async until(check, what) {
    const end = Date.now() + PATIENCE_MS;
    while (!(await check())) {
      if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
      await this.page.waitForTimeout(50);
    }
  }

  /** Moves a slider or types into a number field, as an input event. */
  async set(id, value) {
    await this.page.$eval(
      `#${id}`,
      (input, value) => {
        input.value = value;
        input.dispatchEvent(new Event("input", { bubbles: true }));
      },
      String(value),
    );
  }

  /** Chooses one of a group. */
  choose(id, value) {
    return this.page.check(`input[name="${id}"][value="${value}"]`);
  }

  async steps() {
    return Number(await this.text("#step-count"));
  }

  /** Takes steps one by one. */
  async step(times) {
    for (let i = 0; i < times; i++) {
      const next = (await this.steps()) + 1;
      await this.page.click("button:text-is('Step')");
      await this.until(async () => (await this.steps()) === next, `step ${next}`);
    }
  }

  /** Every choice, from the flow's table. */
  async choices() {
    const rows = await this.table("flow");
    return rows.map(([token, rank, expert, weight, slot, from, to]) => ({
      token: Number(token.split(" ")[0]),
      rank: Number(rank),
      expert: Number(expert),
      weight: Number(weight),
      slot: slot === "dropped" ? null : Number(slot),
      from: Number(from),
      to: Number(to),
    }));
  }

  /** Bytes of one exchange, `[from][to]`, from the bytes' table. */
  async bytes(op, devices) {
    const whole = (text) => Number(text.replaceAll(",", ""));
    const matrix = { wire: [], useful: [] };
    for (const [name, from, to, wire, useful] of await this.table("bytes")) {
      if (name !== op) continue;
      (matrix.wire[from] ??= Array(devices).fill(NaN))[to] = whole(wire);
      (matrix.useful[from] ??= Array(devices).fill(NaN))[to] = whole(useful);
    }
    return matrix;
  }

  async networkBytes() {
    const back = this.page.locator("#bytes button:has-text('Show as picture')");
    if (await back.count()) await back.click();
    return Number(await this.page.getAttribute("#network-bytes", "data-bytes"));
  }
}
