/**
 * Makes `dist/wsdaemon`, one executable with everything in it. Deno downloads its base runtime
 * (denort) for that, unless `--denort FILE` names one that is there already.
 */

import { fromFileUrl, join } from "@std/path";
import { WORKERS } from "./check/layers.ts";
import { V8_FLAGS } from "./daemon_process.ts";

const PROJECT = fromFileUrl(new URL("..", import.meta.url));
const OUTPUT = "dist/wsdaemon";
/** The commit, for the binary to carry. */
const REVISION = "dist/revision.txt";

/** Compiles with the base runtime at `denort`, or with the one that Deno downloads. */
export async function compile(denort?: string): Promise<void> {
  await Deno.mkdir(join(PROJECT, "dist"), { recursive: true });
  await Deno.writeTextFile(join(PROJECT, REVISION), `${await revision()}\n`);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      // The process that gives the Workers their permissions must have them all.
      "--allow-all",
      "--no-prompt",
      "--no-check",
      // Otherwise everything in deno.lock goes in, tools and test servers too: 130 MB more.
      "--exclude-unused-npm",
      V8_FLAGS,
      ...[...WORKERS, REVISION].flatMap((path) => ["--include", path]),
      "--output",
      OUTPUT,
      "main.ts",
    ],
    cwd: PROJECT,
    env: {
      // On a thread's usual 2 MB, Deno 2.8.3 now and then overflows its stack while it compiles.
      RUST_MIN_STACK: String(32 * 1024 * 1024),
      ...(denort === undefined ? {} : { DENORT_BIN: denort }),
    },
  }).spawn().status;
  if (!success) {
    const hint = denort ? "" : '; where its runtime cannot be downloaded, use "task compile:npm"';
    throw new Error(`deno compile failed and ${OUTPUT} was not made${hint}`);
  }
}

/** Returns the commit that is checked out, with what says that more has changed; "unknown" without Git. */
async function revision(): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
      cwd: PROJECT,
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout).trim() : "unknown";
  } catch {
    return "unknown";
  }
}

if (import.meta.main) {
  const [flag, file] = Deno.args;
  try {
    await compile(flag === "--denort" ? file : undefined);
  } catch (error) {
    // Deno has said why; where in this script it was noticed helps nobody.
    const line = `error: ${error instanceof Error ? error.message : error}\n`;
    Deno.stderr.writeSync(new TextEncoder().encode(line));
    Deno.exit(1);
  }
}
