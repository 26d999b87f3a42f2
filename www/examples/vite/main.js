// A sparse layer learns to copy its input: a few steps of gradient descent on ½·|output - x|², mean over tokens.
import { createRuntime, WebMoeError } from "webmoe";

const TOKENS = 16;
const D_MODEL = 32;
const STEPS = 5;
const status = document.getElementById("status");

async function train(runtime) {
  const layer = await runtime.createLayer({
    dModel: D_MODEL,
    dFf: 64,
    experts: 8,
    router: { kind: "topK", k: 2, renormalize: "preDrop" },
    lossWeights: { loadBalance: 0.01 },
  });
  const x = Float32Array.from({ length: TOKENS * D_MODEL }, () => Math.random() - 0.5);
  for (let step = 0; step < STEPS; step++) {
    const { output, routing } = await layer.forward(x, { train: true, step });
    const difference = output.map((value, i) => value - x[i]);
    const loss = difference.reduce((sum, value) => sum + value * value, 0) / 2 / TOKENS;
    showLoss(loss);
    await layer.backward(difference.map((value) => value / TOKENS), { read: [] });
    await layer.applyGradients({ kind: "sgd", learningRate: 0.1 });
    const kept = routing.kept.reduce((sum, one) => sum + one, 0);
    status.textContent = `On ${runtime.adapter}: ${kept} of ${routing.kept.length} assignments kept.`;
  }
}

function showLoss(loss) {
  const item = document.createElement("li");
  item.textContent = `loss ${loss.toFixed(4)}`;
  document.getElementById("losses").append(item);
}

async function main() {
  const runtime = await createRuntime({
    worker: location.search === "?worker",
    onProgress: ({ text }) => (status.textContent = text),
  });
  try {
    await train(runtime);
  } finally {
    runtime.dispose();
  }
}

main().catch((error) => {
  status.textContent = error instanceof WebMoeError ? `${error.code}: ${error.message}` : String(error);
  throw error;
});
