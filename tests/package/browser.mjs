/** Chromium with WebGPU on its software adapter. */
import { fromWww } from "./places.mjs";

const FLAGS = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--use-webgpu-adapter=swiftshader",
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts it; `CHROMIUM` names another executable. */
export async function openBrowser() {
  const { chromium } = (await fromWww("playwright-core")).default;
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: FLAGS });
}

/**
 * Opens a page; `complaints` grows by what its console and its errors say.
 * @param missing how the paths begin that the page is to find missing
 */
export async function openPage(browser, address, missing) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => {
    const expected = missing && new URL(message.location().url || address).pathname.startsWith(missing);
    if (["error", "warning"].includes(message.type()) && !expected) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  return { page, complaints };
}
