/** A fresh project with the packed package in it. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { examples, here, root } from "./places.mjs";

/**
 * Packs `pkg/`, installs the archive into a project that is the Vite example, and adds the claims.
 * @returns its folder and the archive's path
 */
export function makeConsumer() {
  const folder = mkdtempSync(join(tmpdir(), "webmoe-consumer-"));
  const name = npm(["pack", join(root, "pkg"), "--pack-destination", folder, "--silent"], folder).trim();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  npm(["install", `./${name}`, "--offline", "--no-audit", "--no-fund", "--silent"], folder);
  for (const file of ["index.html", "main.js"]) cpSync(join(examples, "vite", file), join(folder, file));
  for (const part of ["claims", "types"]) cpSync(join(here, part), join(folder, part), { recursive: true });
  return { folder, archive: join(folder, name) };
}

function npm(args, cwd) {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
