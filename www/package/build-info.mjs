/** Where a build comes from. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The crate's version, which is the package's. */
export function crateVersion(root) {
  const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
  return /^\[package\][^[]*?^version = "([^"]+)"/ms.exec(manifest)[1];
}

/** Commit and tool versions; `null` for what cannot be known here. */
export function buildInfo(root) {
  const lock = readFileSync(join(root, "Cargo.lock"), "utf8");
  const locked = (name) => new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)?.[1] ?? null;
  const changes = output("git", ["status", "--porcelain"], root);
  return {
    version: crateVersion(root),
    commit: output("git", ["rev-parse", "HEAD"], root),
    dirty: changes === null ? null : changes !== "",
    rustc: output("rustc", ["--version"], root),
    wasmBindgen: locked("wasm-bindgen"),
    wgpu: locked("wgpu"),
  };
}

function output(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return null;
  }
}
