/** Chromium with WebGPU, and a server of what its pages load. */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--no-first-run",
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** @param {string} adapter "swiftshader", or "default" for the machine's GPU; `CHROMIUM` names another executable */
export function openBrowser(adapter) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const args = adapter === "default" ? FLAGS : [...FLAGS, `--use-webgpu-adapter=${adapter}`];
  return chromium.launch({ executablePath, args });
}

/**
 * Serves folders by the prefix of their paths, cross-origin isolated as threads of wasm need it.
 * @param {[string, string][]} folders prefix and folder; the first that fits is taken
 * @param {(path: string) => Buffer | undefined} made answers a path from memory
 */
export async function serve(folders, made) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    const headers = {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "cache-control": "no-store",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    };
    const bytes = made(path);
    if (bytes) {
      response.writeHead(200, headers).end(bytes);
      return;
    }
    const [prefix, folder] = folders.find(([prefix]) => path.startsWith(prefix));
    const file = join(folder, path.slice(prefix.length));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, headers);
    createReadStream(file).pipe(response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, close };
}
