/** The page's tests: node tests/page/run.mjs [only tests whose name contains this]. Needs the built page in `dist/`. */
import { join } from "node:path";
import { openBrowser } from "../package/browser.mjs";
import { root } from "../package/places.mjs";
import { Tally } from "../package/tally.mjs";
import { testAccess } from "./access.mjs";
import { testAddress } from "./address.mjs";
import { testCompare } from "./compare.mjs";
import { testControls } from "./controls.mjs";
import { testEngines } from "./engines.mjs";
import { testNumbers } from "./numbers.mjs";
import { testRouters } from "./routers.mjs";
import { serve } from "./serve.mjs";
import { testSource } from "./source.mjs";
import { testSteps } from "./steps.mjs";
import { testTaking } from "./taking.mjs";
import { Visit } from "./visit.mjs";

const tally = new Tally(process.argv[2] ?? "");
const site = await serve(join(root, "dist"));
const browser = await openBrowser();
const open = (hash, how) => Visit.open(browser, site.address, hash, how);

/** A test with a visit of its own. */
const visit = (claim, hash, check, how) =>
  tally.test(claim, async () => {
    const visit = await open(hash, how);
    try {
      await check(visit);
    } finally {
      await visit.close();
    }
  });

await testSource(tally);
for (const suite of [testEngines, testNumbers, testControls, testRouters, testCompare, testSteps, testAddress, testTaking, testAccess]) await suite(visit, open);
await tally.test("the console stays clean while all of this runs", () => {
  if (Visit.complaints.length) throw new Error(Visit.complaints.join("\n"));
});
await browser.close();
await site.close();
tally.finish();
