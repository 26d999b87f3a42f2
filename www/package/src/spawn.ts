/** Starts the worker's script, which lies beside this one. */
export function spawnWorker(): Worker {
  try {
    // Bundlers know this very form.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (error) {
    if (!(error instanceof DOMException && error.name === "SecurityError")) throw error;
    return crossOriginWorker();
  }
}

/** A worker's script must come from the page's own origin; one that only imports the real one may be made here. */
function crossOriginWorker(): Worker {
  const here = import.meta.url;
  const script = `import ${JSON.stringify(new URL("worker.js", here).href)};`;
  return workerFromText(script);
}

/** Starts a module worker from its text. */
export function workerFromText(script: string): Worker {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return new Worker(address, { type: "module" });
  } finally {
    // The worker has taken hold of the script by now.
    URL.revokeObjectURL(address);
  }
}
