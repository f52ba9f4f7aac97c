// @ts-types="./streams.d.ts"
export { TextLineStream, toText } from "npm:deno-std@1.3.1/streams/mod.js";
