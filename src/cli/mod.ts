/**
 * The command line: `run`, `client`, `store`, `config`, `doctor`, `version`. Each command's code is
 * loaded only when it is the one that runs.
 */

export { runCommandLine } from "./program.ts";
