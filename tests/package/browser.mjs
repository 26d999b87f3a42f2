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
 * Opens a page that keeps what its console and its errors say; `complaints()` empties the list.
 * @param missing path of a file that the page is to find missing
 */
export async function openPage(browser, address, missing) {
  const page = await browser.newPage();
  const said = [];
  page.on("console", (message) => {
    const expected = missing && message.location().url.endsWith(missing);
    if (["error", "warning"].includes(message.type()) && !expected) said.push(message.text());
  });
  page.on("pageerror", (error) => said.push(error.message));
  await page.goto(address);
  const complaints = () => said.splice(0);
  return { page, complaints };
}
