/** Where things lie. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "../..");
export const examples = join(root, "www/examples");
export const tools = join(root, "www/node_modules/.bin");

const require = createRequire(join(root, "www/package.json"));

/** Imports a package of `www/`, which these tests share. */
export function fromWww(name) {
  return import(pathToFileURL(require.resolve(name)));
}
