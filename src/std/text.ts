// @ts-types="./text.d.ts"
export { closestString, levenshteinDistance } from "npm:deno-std@1.3.1/text/mod.js";
