import { Serial } from "./serial.js";

/** Everything that asks `navigator.gpu` for an adapter takes its turn here, since a borrowed device stands in for one. */
export const adapterRequests = /* @__PURE__ */ new Serial();
