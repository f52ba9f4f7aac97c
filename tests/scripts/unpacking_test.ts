/** Programs that unpack themselves, with a few lines of shell in Deno's place. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import {
  launcher,
  packProgram,
  unpackProgram,
  unpacksItself,
} from "../../scripts/build/unpacking.ts";
import { testFolder } from "../fixtures/folder.ts";
import { canMount, fileSystemWithoutPrograms, smallFileSystem } from "../fixtures/mount.ts";

const BUILD = { revision: "none", date: "2026-01-02T03:04:05Z" };
const IS_ROOT = Deno.uid() === 0;
const CAN_MOUNT = canMount();
/** A user that is not root. */
const OTHER = 4711;

/** Makes a program that prints its arguments, and says whether it sees where it was unpacked to. */
async function makeProgram(folder: string, name = "program"): Promise<string> {
  const files = join(folder, `${name}-files`);
  Deno.mkdirSync(files);
  const text = '#!/bin/sh\n[ "$1" = --version ] || printf "%s\\n" "$@"\n';
  Deno.writeTextFileSync(join(files, "wsdaemon"), text);
  Deno.writeTextFileSync(
    join(files, "start"),
    'exec "$program/wsdaemon" "${WSDAEMON_PROGRAM_DIR-unset}" "$@"\n',
  );
  Deno.writeFileSync(join(files, "large"), crypto.getRandomValues(new Uint8Array(65536)));
  const path = join(folder, name);
  await packProgram(files, BUILD, "x86_64", path);
  return path;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function ran(
  program: string,
  env: Record<string, string>,
  args: string[] = [],
  uid?: number,
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    clearEnv: true,
    env: { PATH: "/usr/bin:/bin", ...env },
    ...(uid === undefined ? {} : { uid, gid: uid }),
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err! };
}

/** Returns the names in a folder. */
function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

Deno.test("a program unpacks itself once, and runs with the arguments it was given", async () => {
  using folder = testFolder();
  const program = await makeProgram(folder.path);
  const at = join(folder.path, "some", "cache");
  const run = () => ran(program, { WSDAEMON_PROGRAM_DIR: at }, ["a b", "", "$c"]);
  const printed = { code: 0, stdout: "unset\na b\n\n$c\n", stderr: "" };
  assertEquals(await run(), printed);
  const [name] = namesIn(at);
  assertMatch(name!, /^[0-9a-f]{16}$/);
  const { ino } = Deno.statSync(join(at, name!));
  assertEquals(await run(), printed);
  assertEquals(namesIn(at), [name]);
  assertEquals(Deno.statSync(join(at, name!)).ino, ino);
});

Deno.test("many first starts at once all run, and unpack to one folder", async () => {
  using folder = testFolder();
  const program = await makeProgram(folder.path);
  const env = { WSDAEMON_PROGRAM_DIR: join(folder.path, "cache") };
  const all = await Promise.all(Array.from({ length: 6 }, () => ran(program, env, ["ran"])));
  for (const one of all) assertEquals(one, { code: 0, stdout: "unset\nran\n", stderr: "" });
  const [name, ...others] = namesIn(env.WSDAEMON_PROGRAM_DIR);
  assertEquals(others, []);
  const within = namesIn(join(env.WSDAEMON_PROGRAM_DIR, name!)).sort();
  assertEquals(within, ["large", "start", "wsdaemon"]);
});

Deno.test("a program unpacks itself to systemd's cache, or to the user's", async () => {
  using folder = testFolder();
  Deno.chmodSync(folder.path, 0o755);
  const program = await makeProgram(folder.path);
  const cases: [env: Record<string, string>, at: string][] = [
    [{ CACHE_DIRECTORY: "HERE/systemd:HERE/other" }, "systemd"],
    [{ XDG_CACHE_HOME: "HERE/xdg", HOME: "HERE" }, "xdg/wsdaemon"],
    [{ HOME: "HERE" }, ".cache/wsdaemon"],
  ];
  const home = join(folder.path, "home");
  Deno.mkdirSync(home);
  if (IS_ROOT) Deno.chownSync(home, OTHER, OTHER);
  for (const [env, at] of cases) {
    const own = Object.entries(env).map(([key, text]) => [key, text.replaceAll("HERE", home)]);
    const { code, stderr } = await ran(
      program,
      Object.fromEntries(own),
      [],
      IS_ROOT ? OTHER : undefined,
    );
    assertEquals([code, stderr], [0, ""], at);
    assertEquals(namesIn(join(home, at)).length, 1);
  }
  const { code, stderr } = await ran(program, {}, [], IS_ROOT ? OTHER : undefined);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "HOME is not set; set WSDAEMON_PROGRAM_DIR");
});

Deno.test("a program that was cut off or changed says so, and runs and leaves nothing", async () => {
  using folder = testFolder();
  const bytes = Deno.readFileSync(await makeProgram(folder.path));
  const changed = bytes.slice();
  changed[bytes.length - 30_000]! ^= 1;
  for (const [name, some] of [["cut", bytes.subarray(0, -10_000)], ["changed", changed]] as const) {
    const program = join(folder.path, name);
    Deno.writeFileSync(program, some, { mode: 0o755 });
    const at = join(folder.path, `${name}-cache`);
    const { code, stdout, stderr } = await ran(program, { WSDAEMON_PROGRAM_DIR: at });
    assertEquals([code, stdout], [1, ""]);
    assertStringIncludes(stderr, `${program} is damaged or cut off`);
    assertEquals(namesIn(at), []);
  }
});

Deno.test("a program that others could change after it was unpacked is not run", async () => {
  using folder = testFolder();
  const program = await makeProgram(folder.path);
  const above = join(folder.path, "above");
  const at = join(above, "cache");
  const run = () => ran(program, { WSDAEMON_PROGRAM_DIR: at }, ["ran"]);
  assertEquals((await run()).code, 0);
  const own = join(at, namesIn(at)[0]!);
  for (const path of [own, at, above]) {
    for (const mode of [0o775, 0o757]) {
      Deno.chmodSync(path, mode);
      const { code, stdout, stderr } = await run();
      assertEquals([code, stdout], [1, ""], `${path} ${mode.toString(8)}`);
      assertStringIncludes(stderr, `others can write to ${path}; set WSDAEMON_PROGRAM_DIR`);
    }
    Deno.chmodSync(path, 0o755);
    if (!IS_ROOT) continue;
    Deno.chownSync(path, OTHER, OTHER);
    const { code, stderr } = await run();
    assertEquals(code, 1);
    assertStringIncludes(stderr, `${path} belongs to user ${OTHER}`);
    Deno.chownSync(path, 0, 0);
  }
  // Links are followed before it is looked at whose the folders are.
  const link = join(folder.path, "link");
  Deno.symlinkSync(at, link);
  Deno.chmodSync(above, 0o777);
  assertEquals((await ran(program, { WSDAEMON_PROGRAM_DIR: link })).code, 1);
  // As in /tmp, others cannot take the folder's place.
  Deno.chmodSync(above, 0o1777);
  assertEquals((await run()).stdout, "unset\nran\n");
});

Deno.test({
  name: "a disk that is full, or whose programs cannot be run, is named" +
    (CAN_MOUNT ? "" : " (ignored: cannot mount)"),
  ignore: !CAN_MOUNT,
  async fn() {
    using folder = testFolder();
    const program = await makeProgram(folder.path);
    const at = join(folder.path, "disk");
    Deno.mkdirSync(at);
    const failure = async () => {
      Deno.chmodSync(at, 0o755);
      const { code, stdout, stderr } = await ran(program, { WSDAEMON_PROGRAM_DIR: at });
      assertEquals([code, stdout, namesIn(at)], [1, "", []]);
      return stderr;
    };
    {
      using _disk = smallFileSystem(at, 32768);
      assertMatch(await failure(), /cannot unpack into \S+disk, which takes 1 MiB: make room/);
    }
    using _disk = fileSystemWithoutPrograms(at);
    assertMatch(await failure(), /unpacked to \S+disk cannot be run: that is mounted noexec/);
  },
});

Deno.test("a package takes the files out of a program, and runs them where they will lie", async () => {
  using folder = testFolder();
  const program = await makeProgram(folder.path);
  assert(await unpacksItself(program));
  assert(!await unpacksItself(join(folder.path, "program-files/wsdaemon")));
  const unpacked = await unpackProgram(program, join(folder.path, "lib"));
  assertEquals(await unpackProgram(program, join(folder.path, "lib")), unpacked);
  const script = join(folder.path, "script");
  Deno.writeTextFileSync(script, launcher(unpacked), { mode: 0o755 });
  assertEquals(await ran(script, {}, ["ran"]), { code: 0, stdout: "unset\nran\n", stderr: "" });
});

Deno.test("the same files make the same program, wherever and whenever they were made", async () => {
  using folder = testFolder();
  const first = await makeProgram(folder.path);
  const files = join(folder.path, "elsewhere");
  Deno.renameSync(`${first}-files`, files);
  Deno.utimeSync(join(files, "start"), 1, 1);
  Deno.chmodSync(join(files, "start"), 0o600);
  const second = join(folder.path, "second");
  await packProgram(files, BUILD, "x86_64", second);
  assertEquals(Deno.readFileSync(second), Deno.readFileSync(first));
});
