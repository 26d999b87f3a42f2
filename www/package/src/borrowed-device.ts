/**
 * Runs `open` with the caller's device in place of a new one: wgpu takes its device from what
 * `navigator.gpu.requestAdapter()` resolves to, so that answers, until `open` is done, with an adapter made of the
 * device. Whoever else opens devices through this package waits meanwhile.
 */
export async function withBorrowedDevice<T>(device: GPUDevice, open: () => Promise<T>): Promise<T> {
  const { gpu } = navigator;
  const adapter = {
    features: device.features,
    limits: device.limits,
    info: device.adapterInfo,
    requestDevice: () => Promise.resolve(device),
  };
  const own = Object.getOwnPropertyDescriptor(gpu, "requestAdapter");
  Object.defineProperty(gpu, "requestAdapter", { configurable: true, value: () => Promise.resolve(adapter) });
  try {
    return await open();
  } finally {
    if (own) Object.defineProperty(gpu, "requestAdapter", own);
    else Reflect.deleteProperty(gpu, "requestAdapter");
  }
}
