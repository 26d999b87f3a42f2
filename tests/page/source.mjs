import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, tools } from "../package/places.mjs";

/** The page's sources fit the package's types. */
export async function testSource(tally) {
  await tally.test("types and markup of the page are sound", () => {
    const { status, stdout } = spawnSync(join(tools, "svelte-check"), ["--fail-on-warnings"], {
      cwd: join(root, "www/demo"),
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stdout);
  });
}
