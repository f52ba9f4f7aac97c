/**
 * Confines itself as the daemon's process does, unless told `free`, and prints what it, a Worker that may do
 * everything by Deno's permissions, and a program that the Worker runs can still do, as JSON.
 */

import { openLibc } from "../../src/linux/mod.ts";
import { confineProcess } from "../../src/process/confine_process.ts";
import { findGit } from "../../src/process/find_program.ts";
import { libcPath } from "../../src/process/libc.ts";
import { configOf } from "./fixture.ts";

const [root, outside, kind] = Deno.args as [string, string, "confined" | "free"];
const git = await findGit(Deno.env.get("PATH") ?? "");
openLibc(libcPath());
if (kind === "confined") {
  confineProcess({
    // A socket in what is no folder has no rule; binding it says what is wrong.
    config: configOf({ root, confinement: "required", listen: [`unix://${outside}/socket`] }),
    git,
    env: {},
  });
}

const attempt = (act: () => unknown) => {
  try {
    act();
    return "allowed";
  } catch (error) {
    return (error as Error).name;
  }
};
const main = {
  readOutside: attempt(() => Deno.readTextFileSync(outside)),
  writeRoot: attempt(() => Deno.writeTextFileSync(`${root}/main`, "")),
};
const worker = new Worker(new URL("./confined_main_worker.ts", import.meta.url), {
  type: "module",
});
const answer = await new Promise((resolve, reject) => {
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => reject(new Error(event.message));
  worker.postMessage({ root, outside, git: "git" in git ? git.git.path : undefined });
});
worker.terminate();
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ main, ...answer as object })));
