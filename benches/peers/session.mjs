/** Entries measured in one browser, which is restarted only when a page hangs. */
import { openBrowser } from "./browser.mjs";
import { cpuMs, load } from "./machine.mjs";

/** Seconds that opening, checking and warming up may take, and that the timed calls may. */
const PATIENCE = 180;

export class Session {
  #adapter;
  #origin;
  #browser;

  /** @param {string} adapter as for `openBrowser` @param {string} origin of the server with `page/page.html` */
  constructor(adapter, origin) {
    this.#adapter = adapter;
    this.#origin = origin;
  }

  /** The browser's version and the adapter that it offers. */
  async describe() {
    const page = await this.#open();
    const adapter = await within(PATIENCE, page.evaluate("bench.adapter()"));
    await page.close();
    return { chromium: this.#browser.version(), adapter };
  }

  /**
   * One entry in a fresh page.
   * @param {{ warmUps: number, calls: number, settle: number, budget: number }} effort as `prepare` and `time` of the
   * page take them
   * @returns what the page found, `cpuMs` of the browser for each call, and the machine's load before and after
   */
  async measure(entry, { warmUps, ...effort }) {
    const loadBefore = load();
    const page = await this.#open();
    try {
      const prepare = ([entry, warmUps]) => bench.prepare(entry, warmUps);
      const prepared = await within(PATIENCE, page.evaluate(prepare, [entry, warmUps]));
      const before = cpuMs();
      const time = (effort) => bench.time(effort);
      const timed = await within(PATIENCE, page.evaluate(time, effort));
      const spent = (cpuMs() - before) / timed.ms.length;
      await within(PATIENCE, page.close());
      return { ...prepared, ...timed, cpuMs: spent, load: [loadBefore, load()] };
    } catch (error) {
      // A page that hangs keeps the GPU's process busy, and the next entry would pay for it.
      await this.close();
      throw error;
    }
  }

  async close() {
    const browser = this.#browser;
    this.#browser = undefined;
    await browser?.close();
  }

  async #open() {
    this.#browser ??= await openBrowser(this.#adapter);
    const page = await this.#browser.newPage();
    await page.goto(`${this.#origin}/page/page.html`);
    await page.waitForFunction("globalThis.bench");
    return page;
  }
}

async function within(seconds, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came back in ${seconds} s`)), 1000 * seconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
