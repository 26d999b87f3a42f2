/** What every entry offers beside `createRuntime`. */
export type * from "./api.js";
export { capabilities } from "./capabilities.js";
export { symmetricKl } from "./divergence.js";
export { WebMoeError } from "./errors.js";
