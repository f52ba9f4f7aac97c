// @ts-types="./async.d.ts"
export {
  abortable,
  deadline,
  delay,
  pooledMap,
  retry,
  RetryError,
} from "npm:deno-std@1.3.1/async/mod.js";
