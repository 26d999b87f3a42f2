import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  // Relative addresses: the page works from any folder of any server.
  base: "./",
  plugins: [svelte()],
  // The package as it is installed by others, not its sources.
  resolve: { alias: { webmoe: at("../../pkg/dist/index.js") } },
  server: { fs: { allow: [at("../..")] } },
  build: { outDir: at("../../dist"), emptyOutDir: true },
});
