// Chromium as the page's tests use it.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** The repository's root. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

// The packages of the workspace, which are not in a folder above this one.
export const require = createRequire(new URL("../../www/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const QUIET = [
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** WebGPU on Chromium's own software adapter. */
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

/** The browser: `CHROMIUM` says where, else the usual places. */
function executable() {
  const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
  const found = places.find((place) => place && existsSync(place));
  if (!found) throw new Error("no Chromium here; install it, or say in CHROMIUM where it is");
  return found;
}

/** Opens Chromium, without a window. */
export const launch = () => chromium.launch({ executablePath: executable(), args: ["--no-sandbox", ...QUIET, ...WEBGPU] });
