/** What every entry offers beside `createRuntime`. */
export type * from "./api.js";
export { capabilities } from "./capabilities.js";
export { symmetricKl } from "./divergence.js";
export { WebMoeError } from "./errors.js";
export type * from "./routers.js";
export type * from "./tool-options.js";
