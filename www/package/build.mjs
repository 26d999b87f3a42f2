/**
 * Bundles the package into `dist/` and assembles the installable one in `pkg/` at the repository's root.
 * Needs the bindings in `src/wasm/` (`cargo xtask build` makes them).
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { buildInfo, crateVersion } from "./build-info.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const dist = join(here, "dist");
const pkg = join(root, "pkg");
const wasm = join(here, "src/wasm/webmoe_bg.wasm");

/** Declarations that the entries reach; those of the inner modules stay here. */
const DECLARATIONS = [
  ...["index", "slim", "inline", "worker", "public"],
  ...["api", "routers", "tools", "tool-options", "capabilities", "divergence", "errors"],
];

/** How every bundle finds the bindings. */
const shared = {
  platform: "browser",
  resolve: { alias: { "#bindings": join(here, "src/wasm/webmoe.js") } },
};

if (!existsSync(wasm)) {
  console.error("www/package/src/wasm has no bindings; run `cargo xtask build`");
  process.exit(1);
}
clear(dist);
await bundleEntries();
declare();
cpSync(wasm, join(dist, "webmoe_bg.wasm"));
writeJson(join(dist, "buildinfo.json"), buildInfo(root));
assemble();

async function bundleEntries() {
  const workerText = await bundleWorkerText();
  const inlined = {
    "#wasm-base64": readFileSync(wasm).toString("base64"),
    "#worker-text": workerText,
  };
  const bundle = await rolldown({
    input: Object.fromEntries(["index", "slim", "inline", "worker"].map((entry) => [entry, source(entry)])),
    ...shared,
    plugins: [textModules(inlined)],
  });
  // All in one folder: the addresses beside `import.meta.url` hold from every chunk.
  await bundle.write({ dir: dist, chunkFileNames: "shared-[hash].js" });
  await bundle.close();
}

/** The worker's script as one module without imports. */
async function bundleWorkerText() {
  const bundle = await rolldown({ input: source("worker"), ...shared });
  const { output } = await bundle.generate({ minify: true });
  await bundle.close();
  return output[0].code;
}

/** Emits the declarations and checks the types. */
function declare() {
  const tsc = join(root, "www/node_modules/typescript/bin/tsc");
  const emitted = join(dist, "declarations");
  execFileSync(process.execPath, [tsc, "--project", here, "--outDir", emitted], { stdio: "inherit" });
  for (const name of DECLARATIONS) cpSync(join(emitted, `${name}.d.ts`), join(dist, `${name}.d.ts`));
  rmSync(emitted, { recursive: true });
}

/** Puts together what `npm pack` packs. */
function assemble() {
  clear(pkg);
  cpSync(dist, join(pkg, "dist"), { recursive: true });
  for (const file of ["README.md", "CHANGELOG.md"]) cpSync(join(here, file), join(pkg, file));
  for (const file of ["LICENSE-MIT", "LICENSE-APACHE"]) cpSync(join(root, file), join(pkg, file));
  const { scripts, devDependencies, ...manifest } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  writeJson(join(pkg, "package.json"), { ...manifest, version: crateVersion(root) });
}

/** Serves each name as a module whose default export is its text. */
function textModules(texts) {
  return {
    name: "text-modules",
    resolveId: (id) => (id in texts ? id : null),
    load: (id) => (id in texts ? `export default ${JSON.stringify(texts[id])};` : null),
  };
}

function source(entry) {
  return join(here, `src/${entry}.ts`);
}

function clear(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
