import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { ContentWorkerStart, FromContentWorker } from "../../src/content/worker_start.ts";
import { type ConfinementSupport, confinementSupport, openLibc } from "../../src/linux/mod.ts";
import { libcPath } from "../../src/process/libc.ts";
import { areasOf, workerPermissions } from "../fixtures/content.ts";
import { testFolder } from "../fixtures/folder.ts";
import { canMount } from "../fixtures/mount.ts";
import type { Call } from "./confined_worker.ts";

const LIBC = libcPath();
openLibc(LIBC);
const SUPPORT = confinementSupport();
/** Where this kernel lacks a part, what is to fail is not what the tests say. */
const isWhole = SUPPORT.landlock >= 6 && SUPPORT.seccomp;
const note = isWhole ? "" : " (ignored: the kernel lacks Landlock of ABI 6, or seccomp)";

const [EPERM, EACCES, EXDEV] = [-1, -13, -18];
/** Exit status 127, as `wait` has it: the shell could not be executed. */
const NO_SHELL = 127 << 8;
const SETUID = Deno.build.arch === "aarch64" ? 146 : 105;
/** More than any process's id, and more than a host's name may have. */
const NO_PROCESS = 2 ** 30;
const TOO_LONG = 65;
const O = { RDONLY: 0, WRONLY: 1, CREAT: 0o100 };

/** Has a content Worker on the areas make calls of libc; each is its result, or minus errno. */
async function results(
  root: string,
  calls: readonly Call[],
  confinement?: ConfinementSupport,
): Promise<number[]> {
  const areas = areasOf(root);
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL("./confined_worker.ts", import.meta.url), {
    type: "module",
    deno: { permissions: workerPermissions() },
  });
  try {
    return await new Promise((resolve, reject) => {
      worker.onerror = (event) => reject(new Error(event.message));
      worker.onmessage = (
        { data }: MessageEvent<FromContentWorker | { kind: "tried"; results: number[] }>,
      ) => {
        if (data.kind === "failed") reject(new Error(data.message));
        if (data.kind === "serving") worker.postMessage({ kind: "try", libc: LIBC, calls });
        if (data.kind === "tried") resolve(data.results);
      };
      const start: ContentWorkerStart = {
        kind: "start",
        libc: LIBC,
        areas,
        confinement,
        port: port2,
      };
      worker.postMessage(start, [port2]);
    });
  } finally {
    worker.terminate();
    port1.close();
  }
}

Deno.test({
  name: `the kernel keeps a content Worker within its areas, whatever it calls${note}`,
  ignore: !isWhole,
  fn: async () => {
    using folder = testFolder();
    const root = join(folder.path, "root");
    const areas = areasOf(root);
    for (const path of Object.values(areas)) Deno.mkdirSync(path, { recursive: true });
    const outside = join(folder.path, "outside");
    const own = join(areas.workspaces, "file");
    const blob = join(areas.blobs, "blob");
    for (const path of [outside, own, blob]) Deno.writeTextFileSync(path, "content");
    Deno.symlinkSync(outside, join(areas.workspaces, "link"));
    const state = join(root, "state", "state.db");
    Deno.writeTextFileSync(state, "journal");

    const expected: [Call, number | "succeeds"][] = [
      [{ function: "open", arguments: ["/etc/shadow", O.RDONLY, 0] }, EACCES],
      [{ function: "open", arguments: ["/proc/self/maps", O.RDONLY, 0] }, EACCES],
      [{ function: "open", arguments: [outside, O.RDONLY, 0] }, EACCES],
      [{ function: "open", arguments: [state, O.RDONLY, 0] }, EACCES],
      [{ function: "open", arguments: [join(areas.workspaces, "link"), O.RDONLY, 0] }, EACCES],
      [{ function: "open", arguments: [outside, O.WRONLY, 0] }, EACCES],
      [{ function: "open", arguments: [`${outside}.new`, O.WRONLY | O.CREAT, 0o600] }, EACCES],
      [{ function: "open", arguments: [blob, O.WRONLY, 0] }, EACCES],
      [{ function: "open", arguments: ["/dev/null", O.WRONLY, 0] }, EACCES],
      [{ function: "truncate", arguments: [outside, 0] }, EACCES],
      [{ function: "unlink", arguments: [outside] }, EACCES],
      [{ function: "unlink", arguments: [blob] }, EACCES],
      [{ function: "mkdir", arguments: [join(root, "made"), 0o700] }, EACCES],
      [{ function: "rename", arguments: [own, join(folder.path, "taken")] }, EACCES],
      [{ function: "link", arguments: [outside, join(areas.workspaces, "linked")] }, EXDEV],
      [{ function: "system", arguments: ["true"] }, NO_SHELL],
      [{ function: "socket", arguments: [2, 1, 0] }, EPERM],
      [{ function: "socket", arguments: [1, 2, 0] }, EPERM],
      [{ function: "setuid", arguments: [SETUID, 65534] }, EPERM],
      [{ function: "kill", arguments: [Deno.ppid, 0] }, EPERM],
      [{ function: "ptrace", arguments: [16, Deno.ppid, 0, 0] }, EPERM],
      [{ function: "setpriority", arguments: [0, NO_PROCESS, 19] }, EPERM],
      [{ function: "mount", arguments: ["none", areas.spool, "tmpfs", 0, 0] }, EPERM],
      [{ function: "sethostname", arguments: ["other", 5] }, EPERM],
      [{ function: "open", arguments: [own, O.WRONLY, 0] }, "succeeds"],
      [{ function: "open", arguments: [blob, O.RDONLY, 0] }, "succeeds"],
      [{ function: "truncate", arguments: [own, 3] }, "succeeds"],
      [{ function: "rename", arguments: [own, join(areas.trash, "moved")] }, "succeeds"],
      [{ function: "link", arguments: [join(areas.trash, "moved"), own] }, "succeeds"],
      [{ function: "unlink", arguments: [own] }, "succeeds"],
    ];
    const actual = await results(root, expected.map(([call]) => call), SUPPORT);
    assertEquals(
      actual.map((
        result,
        at,
      ) => [expected[at]![0], result >= 0 && result < 1024 ? "succeeds" : result]),
      expected,
    );
    assertEquals(Deno.readTextFileSync(outside), "content");
    assertEquals(Deno.readTextFileSync(blob), "content");
  },
});

Deno.test({
  name:
    `what a content Worker may not do is refused by its confinement, not by anything else${note}`,
  ignore: !isWhole,
  fn: async (t) => {
    using folder = testFolder();
    const root = join(folder.path, "root");
    for (const path of Object.values(areasOf(root))) Deno.mkdirSync(path, { recursive: true });
    // Each changes nothing where it is let through.
    const calls: readonly (Call & { readonly needs?: "root" | "mounting" })[] = [
      { function: "open", arguments: ["/etc/shadow", O.RDONLY, 0], needs: "root" },
      { function: "open", arguments: ["/proc/self/maps", O.RDONLY, 0] },
      { function: "open", arguments: ["/dev/null", O.WRONLY, 0] },
      { function: "system", arguments: ["true"] },
      { function: "socket", arguments: [2, 1, 0] },
      { function: "socket", arguments: [1, 2, 0] },
      { function: "setuid", arguments: [SETUID, Deno.uid()!] },
      { function: "kill", arguments: [Deno.ppid, 0] },
      { function: "ptrace", arguments: [16, NO_PROCESS, 0, 0] },
      { function: "setpriority", arguments: [0, NO_PROCESS, 19] },
      {
        function: "mount",
        arguments: ["none", join(root, "none"), "tmpfs", 0, 0],
        needs: "mounting",
      },
      { function: "sethostname", arguments: ["", TOO_LONG], needs: "mounting" },
    ];
    const free = await results(root, calls);
    const confined = await results(root, calls, SUPPORT);
    // A container's root mostly has neither `CAP_SYS_ADMIN` nor the calls that need it.
    const isMissing = { root: Deno.uid() !== 0, mounting: !canMount() };
    for (const [n, call] of calls.entries()) {
      const ignore = call.needs !== undefined && isMissing[call.needs];
      await t.step({
        name: `${call.function}(${call.arguments})` +
          (ignore ? ` (ignored: needs ${call.needs})` : ""),
        ignore,
        fn: () => {
          const refusals = [EPERM, EACCES, NO_SHELL];
          assert(!refusals.includes(free[n]!), `${free[n]} without confinement`);
          assert(refusals.includes(confined[n]!), `${confined[n]} with confinement`);
        },
      });
    }
  },
});
