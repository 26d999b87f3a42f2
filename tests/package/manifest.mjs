/** The archive as package tools see it. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, tools } from "./places.mjs";

export async function testManifest(tally, { folder, archive }) {
  const installed = join(folder, "node_modules/webmoe");
  const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));

  await tally.test("the package has the crate's version, no dependencies and no install scripts", () => {
    const crate = readFileSync(join(root, "Cargo.toml"), "utf8");
    const { version, dependencies, scripts } = manifest;
    if (!crate.includes(`\nversion = "${version}"`)) throw new Error(`version ${version} is not the crate's`);
    if (dependencies || scripts) throw new Error("the manifest has dependencies or scripts");
  });

  await tally.test("the package brings its licences, its changes and where it was built from", () => {
    for (const file of ["LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md", "README.md"]) readFileSync(join(installed, file));
    const { version } = JSON.parse(readFileSync(join(installed, "dist/buildinfo.json"), "utf8"));
    if (version !== manifest.version) throw new Error(`buildinfo.json says ${version}`);
  });

  await tally.test("publint finds nothing to mend", () => {
    tool("publint", ["run", installed, "--strict"], folder);
  });

  await tally.test("the types resolve in every ESM setting (arethetypeswrong)", () => {
    const options = ["--profile", "esm-only", "--exclude-entrypoints", "webmoe_bg.wasm"];
    tool("attw", [archive, ...options], folder);
  });

  await tally.test("a strict TypeScript project that uses every type compiles", () => {
    tool("tsc", ["--project", join(folder, "types")], folder);
  });
}

/** Runs a tool of `www/`; what it printed is the error. */
function tool(name, args, cwd) {
  try {
    execFileSync(join(tools, name), args, { cwd, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    throw new Error(`${error.stdout}${error.stderr}`.trim());
  }
}
