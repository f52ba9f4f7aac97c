import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { confinementSupport, openLibc } from "../../src/linux/mod.ts";
import { confinementProblem, programFolders } from "../../src/process/confine_process.ts";
import { libcPath } from "../../src/process/libc.ts";
import { V8_FLAGS } from "../../scripts/daemon_process.ts";
import { TestNode } from "../e2e/node.ts";
import { testFolder } from "../fixtures/folder.ts";

openLibc(libcPath());
const problem = confinementProblem(confinementSupport());
const note = problem === undefined ? "" : ` (ignored: ${problem})`;

Deno.test({
  name: `the kernel keeps main thread, Workers and programs from what lies outside the root${note}`,
  ignore: problem !== undefined,
  fn: async (t) => {
    const [confined, free] = await Promise.all([attempts("confined"), attempts("free")]);
    const program: Record<string, boolean> = {
      "read outside": false,
      "write outside": false,
      "write beside": false,
      "delete outside": false,
      "run what lies in the root": false,
      "become another group of mounts": false,
      "read settings": true,
      "change the root": true,
      "run git": true,
    };
    // What fails without confinement, too, proves nothing.
    for (const what of NEEDS_RIGHTS.filter((what) => !free.program[what])) {
      await t.step({ name: `${what} (ignored: fails unconfined here)`, ignore: true, fn() {} });
      for (const all of [program, free.program, confined.program]) delete all[what];
    }
    assertEquals(free, {
      main: { readOutside: "allowed", writeRoot: "allowed" },
      worker: { reads: ["allowed"], writeRoot: "allowed" },
      program: Object.fromEntries(Object.keys(program).map((what) => [what, true])),
      outside: undefined,
    });
    assertEquals(confined, {
      main: { readOutside: "PermissionDenied", writeRoot: "allowed" },
      worker: { reads: ["PermissionDenied"], writeRoot: "allowed" },
      program,
      outside: "secret",
    });
  },
});

/** What a user who is not root, or a folder of programs that nobody may run, forbids as well. */
const NEEDS_RIGHTS = ["run what lies in the root", "become another group of mounts"] as const;

/** What a process, a Worker of it and a program that the Worker runs can do, and what is outside then. */
async function attempts(kind: "confined" | "free") {
  using folder = testFolder();
  const root = join(folder.path, "root");
  const outside = join(folder.path, "outside");
  Deno.mkdirSync(root);
  Deno.writeTextFileSync(outside, "secret");
  const main = new URL("./confined_main.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--no-check", main, root, outside, kind],
  }).output();
  assert(success, new TextDecoder().decode(stderr));
  const answer: { main: unknown; worker: unknown; program: Record<string, boolean> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  const isThere = [...Deno.readDirSync(folder.path)].some(({ name }) => name === "outside");
  return { ...answer, outside: isThere ? Deno.readTextFileSync(outside) : undefined };
}

Deno.test({
  name:
    `a daemon's Workers are bound, content Workers further, and its main thread may do nothing${note}`,
  ignore: problem !== undefined,
  fn: async () => {
    using folder = testFolder();
    await using node = await TestNode.start(folder.path, "node", {
      config: { confinement: "required" },
      command: [
        Deno.execPath(),
        "run",
        V8_FLAGS,
        "-A",
        "--no-prompt",
        new URL("./revoked_main.ts", import.meta.url).pathname,
      ],
    });
    // Which it does once every Worker serves.
    const [, rights] = await node.daemon.logMatching(/^the main thread may (.*)$/m);
    assertEquals(rights, "nothing");
    const tasks = `/proc/${node.daemon.pid}/task`;
    const workers = [...Deno.readDirSync(tasks)].map(({ name }) => ({
      name: Deno.readTextFileSync(`${tasks}/${name}/comm`).trim(),
      status: Deno.readTextFileSync(`${tasks}/${name}/status`),
    })).filter(({ name }) => name.startsWith("worker-"));
    const filters = workers.map(({ status }) => {
      assertStringIncludes(status, "NoNewPrivs:\t1\n");
      return Number(/^Seccomp_filters:\t(\d+)$/m.exec(status)![1]);
    });
    const content = navigator.hardwareConcurrency + 1;
    assertEquals(filters.toSorted(), [1, ...Array.from({ length: content }, () => 2)]);
    // CAP_SYS_MODULE, CAP_SYS_PTRACE and CAP_SYS_CHROOT, for instance.
    const forbidden = 1n << 16n | 1n << 19n | 1n << 18n;
    for (const { status } of workers) {
      assertEquals(BigInt(`0x${/^CapEff:\t(\w+)$/m.exec(status)![1]}`) & forbidden, 0n);
    }
    assertStringIncludes(node.daemon.log, "holds every thread to its folders");
  },
});

Deno.test("confinement that is required is refused where the kernel lacks a part, in words", () => {
  assertEquals(confinementProblem({ landlock: 3, seccomp: true }), undefined);
  assertStringIncludes(confinementProblem({ landlock: 0, seccomp: true })!, "no Landlock");
  assertStringIncludes(confinementProblem({ landlock: 2, seccomp: true })!, "Linux 6.2");
  assertStringIncludes(confinementProblem({ landlock: 7, seccomp: false })!, "seccomp filters");
});

Deno.test("git that is a link to a folder of its own runs with what is beside either", () => {
  using folder = testFolder();
  const at = (path: string) => join(folder.path, path);
  for (const path of ["prefix/bin", "keg/bin"]) Deno.mkdirSync(at(path), { recursive: true });
  Deno.writeTextFileSync(at("keg/bin/git"), "");
  Deno.symlinkSync(at("keg/bin/git"), at("prefix/bin/git"));
  const folders = programFolders({ git: { path: at("prefix/bin/git"), version: "2.40.0" } });
  assertEquals(folders.slice(-2), [at("prefix"), Deno.realPathSync(at("keg"))]);
});

Deno.test("a git in a home or at the top opens its own folder alone", () => {
  for (const folder of ["/root/bin", "/home/none/bin", "/home/bin", "/bin"]) {
    const folders = programFolders({ git: { path: `${folder}/no-git`, version: "2.40.0" } });
    assertEquals(folders.at(-2), folder);
  }
});
