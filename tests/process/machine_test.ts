import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ownerProblem } from "../../src/process/content_owner.ts";
import { libcPath } from "../../src/process/libc.ts";
import { findGit, findProgram } from "../../src/process/find_program.ts";
import { listenerProblem, runtimeWarning } from "../../src/process/runtime.ts";
import { StartError } from "../../src/errors.ts";
import { denoDir } from "../e2e/user.ts";
import { withFolder } from "./fixture.ts";

/** Written by another process: no child that another test starts has it open, and it can run. */
async function fakeGit(folder: string, version: string): Promise<void> {
  const script = `#!/bin/sh\necho 'git version ${version}'\n`;
  const write = 'printf %s "$1" > git && chmod 755 git';
  const { success } = await new Deno.Command("sh", {
    args: ["-c", write, "sh", script],
    cwd: folder,
  }).output();
  assert(success);
}

Deno.test("libc is found by its absolute path in the memory map", () => {
  assert(Deno.statSync(libcPath()).isFile);
  const map = "7f00-7f01 r--p 00000000 08:01 1  /usr/lib/libcrypt.so.1\n" +
    "7f02-7f03 r--p 00000000 08:01 2                          /opt/my libs/libc.so.6\n" +
    "7f02-7f03 r--p 00000000 08:01 2                          /usr/lib/libc.so.6\n";
  assertEquals(libcPath(map), "/usr/lib/libc.so.6");
  assertThrows(() => libcPath("7f00-7f01 r--p 0 08:01 1 /usr/lib/libm.so.6\n"), StartError);
});

Deno.test("program is the first executable file on the search path", async () => {
  await withFolder(async (folder) => {
    await fakeGit(folder, "2.47.1");
    assertEquals(findProgram("git", `relative:/nonexistent:${folder}`), `${folder}/git`);
    await Deno.chmod(`${folder}/git`, 0o644);
    assertEquals(findProgram("git", folder), undefined);
  });
});

for (const version of ["2.30.0", "2.47.1", "3.0"]) {
  Deno.test(`Git ${version} is good enough`, async () => {
    await withFolder(async (folder) => {
      await fakeGit(folder, version);
      assertEquals(await findGit(folder), { git: { path: `${folder}/git`, version } });
    });
  });
}

for (const version of ["1.9.5", "2.29.9", "unreadable"]) {
  Deno.test(`Git ${version} is refused with what to install`, async () => {
    await withFolder(async (folder) => {
      await fakeGit(folder, version);
      const found = await findGit(folder);
      assert("problem" in found && found.problem.endsWith("install Git 2.30 or newer"));
    });
  });
}

Deno.test("Git that is missing is a problem in words", async () => {
  const problem = "git is not on PATH; install Git 2.30 or newer";
  assertEquals(await findGit("/nonexistent"), { problem });
});

Deno.test("Git that cannot be started is a problem in words", async () => {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/git`, "#!/nonexistent/interpreter\n");
    await Deno.chmod(`${folder}/git`, 0o755);
    const found = await findGit(folder);
    assert("problem" in found);
    assertStringIncludes(found.problem, `${folder}/git cannot be started: `);
  });
});

Deno.test("Git is asked for its version without our environment and our user's config", async () => {
  await withFolder(async (folder) => {
    const traces = ["by-variable", "by-config"].map((name) => `${folder}/${name}`);
    await Deno.writeTextFile(`${folder}/.gitconfig`, `[trace2]\n\teventTarget = ${traces[1]}\n`);
    const variables = { HOME: folder, GIT_TRACE: traces[0]!, https_proxy: "http://proxy.invalid" };
    const module = new URL("../../src/process/find_program.ts", import.meta.url).href;
    const code = `import { findGit } from ${JSON.stringify(module)};
      console.log(JSON.stringify(await findGit(Deno.env.get("PATH"))));`;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-check", code],
      env: { ...variables, DENO_DIR: denoDir() },
      cwd: new URL("../../", import.meta.url),
    }).output();
    const found: unknown = JSON.parse(new TextDecoder().decode(stdout));
    assert(typeof found === "object" && found !== null && "git" in found);
    for (const trace of traces) await assertRejects(() => Deno.stat(trace), Deno.errors.NotFound);
  });
});

Deno.test("runtime is warned of when its version is known to crash", () => {
  assertEquals(runtimeWarning("2.8.3"), undefined);
  assert(runtimeWarning("2.9.5")?.includes("denoland/deno#36788"));
});

Deno.test("a listener is refused that this version of Deno would accept and never answer on", () => {
  const unix = { unix: true, tls: false };
  const tls = { unix: false, tls: true };
  assert(listenerProblem("2.7.11", unix)?.includes("Deno 2.7.11 cannot answer on unix sockets"));
  assert(listenerProblem("2.7.11", tls)?.includes("Deno 2.7.11 cannot serve TLS"));
  assertEquals(listenerProblem("2.7.11", { unix: false, tls: false }), undefined);
  assertEquals(listenerProblem("2.8.3", { unix: true, tls: true }), undefined);
});

Deno.test("a content owner is refused that only root could give files to", () => {
  assertEquals(ownerProblem({ uid: 33333, gid: 33333 }, 0), undefined);
  assertEquals(ownerProblem({ uid: 1000, gid: 1000 }, 1000), undefined);
  assert(ownerProblem({ uid: 33333, gid: 1000 }, 1000)?.includes("contentOwner.uid 33333"));
});
