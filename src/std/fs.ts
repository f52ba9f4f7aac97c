// @ts-types="./fs.d.ts"
export {
  emptyDir,
  ensureDir,
  ensureDirSync,
  exists,
  existsSync,
  walk,
  walkSync,
} from "npm:deno-std@1.3.1/fs/mod.js";
