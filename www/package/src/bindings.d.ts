/**
 * The part of the generated bindings that the package uses, written by hand: `build.mjs` points `#bindings` at
 * `wasm/webmoe.js`. Every promise rejects with a plain object `{ code, message, details }`.
 */
declare module "#bindings" {
  /** Instantiates the module, once for all of the classes below. */
  export default function init(options: { module_or_path: WebAssembly.Module }): Promise<unknown>;

  /** As those below it throws what a promise would reject with. */
  export function hashTable(options: import("./tool-options.js").HashTableOptions): Uint32Array;
  export function mixDomains(options: import("./tool-options.js").MixDomainsOptions): import("./tool-options.js").DomainMixture;
  export function addDomain(options: import("./tool-options.js").AddDomainOptions): import("./tool-options.js").DomainLayer;
  export function removeDomain(options: import("./tool-options.js").RemoveDomainOptions): import("./tool-options.js").DomainLayer;

  export class WasmRuntime {
    private constructor();
    /** `borrowed`: the device that `navigator.gpu` hands out is the caller's and is not destroyed with the runtime. */
    static create(options: { device: "auto" | "webgpu" | "cpu"; borrowed: boolean }): Promise<WasmRuntime>;
    readonly device: "webgpu" | "cpu";
    readonly adapter: string;
    createLayer(config: import("./api.js").LayerConfig): Promise<WasmLayer>;
    counters(): Promise<import("./api.js").Counters>;
    lost(): Promise<import("./engine.js").Lost>;
    dispose(): void;
    free(): void;
  }

  export class WasmLayer {
    private constructor();
    config(): import("./api.js").LayerConfig;
    weights(): Promise<import("./api.js").LayerWeights>;
    setWeights(weights: Partial<import("./api.js").LayerWeights>): Promise<void>;
    forward(x: Float32Array, options?: import("./engine.js").EngineForwardOptions): Promise<import("./api.js").LayerOutput>;
    backward(dOutput: Float32Array, options?: import("./api.js").BackwardOptions): Promise<import("./api.js").LayerGradients>;
    taskNetwork(task: number): Promise<import("./api.js").TaskNetwork>;
    applyGradients(update: import("./api.js").GradientUpdate): Promise<void>;
    dispose(): void;
    free(): void;
  }
}
