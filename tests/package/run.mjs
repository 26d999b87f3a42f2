/**
 * Tests of the npm package as its users get it: `pkg/` is packed, installed into fresh projects, type-checked, bundled
 * and loaded in Chromium. Needs `pkg/` (`cargo xtask build`). Usage: node tests/package/run.mjs [words of a claim]
 */
import { rmSync } from "node:fs";
import { openBrowser } from "./browser.mjs";
import { testClaims } from "./claims.mjs";
import { testExamples } from "./examples.mjs";
import { testManifest } from "./manifest.mjs";
import { makeConsumer } from "./consumer.mjs";
import { Tally } from "./tally.mjs";

const tally = new Tally(process.argv[2] ?? "");
const consumer = makeConsumer();
const browser = await openBrowser();
try {
  await testManifest(tally, consumer);
  await testClaims(tally, consumer, browser);
  await testExamples(tally, consumer, browser);
} finally {
  await browser.close();
  rmSync(consumer.folder, { recursive: true, force: true });
}
tally.finish();
