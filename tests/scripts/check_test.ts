import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { blockingViolations } from "../../scripts/check/blocking.ts";
import { docViolations } from "../../scripts/check/docs.ts";
import { layerViolations } from "../../scripts/check/layers.ts";
import type { SourceFile } from "../../scripts/check/sources.ts";
import { wordViolations } from "../../scripts/check/words.ts";
import { testFolder } from "../fixtures/folder.ts";

const SCRIPT = fromFileUrl(new URL("../../scripts/check.ts", import.meta.url));

async function check(project?: string): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", SCRIPT, ...project ? [project] : []],
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

function file(path: string, imports: string[] = [], text = ""): SourceFile {
  return { path, text, imports };
}

const BAD: { name: string; files: SourceFile[]; says: string }[] = [
  {
    name: "a file uses a module above it",
    files: [file("src/store/a.ts", ["src/workspace/mod.ts"])],
    says: "src/store/a.ts: upward arrow to src/workspace/mod.ts",
  },
  {
    name: "two modules of a level use each other",
    files: [
      file("src/git/a.ts", ["src/snapshot/mod.ts"]),
      file("src/snapshot/c.ts", ["src/git/mod.ts"]),
    ],
    says: "circle git -> snapshot -> git",
  },
  {
    name: "three modules make a ring",
    files: [
      file("src/cli/a.ts", ["src/rpc/mod.ts"]),
      file("src/rpc/a.ts", ["src/process/mod.ts"]),
      file("src/process/a.ts", ["src/cli/mod.ts"]),
    ],
    says: "circle cli -> rpc -> process -> cli",
  },
  {
    name: "two files of a module use each other",
    files: [
      file("src/git/a.ts", ["src/git/b.ts"]),
      file("src/git/b.ts", ["src/git/a.ts"]),
    ],
    says: "circle src/git/a.ts -> src/git/b.ts -> src/git/a.ts",
  },
  {
    name: "a file imports another module past its entry",
    files: [file("src/git/a.ts", ["src/content/b.ts"]), file("src/content/mod.ts")],
    says: "src/git/a.ts: imports src/content/b.ts past the module's entry, src/content/mod.ts",
  },
  {
    name: "a module that is imported has no entry",
    files: [file("src/git/a.ts", ["src/content/b.ts"])],
    says: "src/git/a.ts: imports src/content/b.ts, whose module has no entry src/content/mod.ts",
  },
  {
    name: "a Worker is started that is not listed",
    files: [file("src/process/a.ts", [], 'new Worker(new URL("../git/w.ts", import.meta.url))')],
    says: "src/process/a.ts: starts src/git/w.ts",
  },
  {
    name: "another module than linux calls FFI",
    files: [file("src/content/a.ts", [], "Deno.dlopen(path, {})")],
    says: "src/content/a.ts: calls FFI",
  },
  {
    name: "generated code is imported elsewhere",
    files: [file("src/daemon/a.ts", ["src/wire/gen/daemon_pb.ts"])],
    says: "src/daemon/a.ts: imports generated code",
  },
  {
    name: "the store knows the archive format",
    files: [file("src/store/a.ts", ["src/archive/mod.ts"])],
    says: "src/store/a.ts: store must not use archive",
  },
  {
    name: "archive code opens files",
    files: [file("src/archive/a.ts", [], 'Deno.openSync("x")')],
    says: "src/archive/a.ts: is archive code that touches files",
  },
  {
    name: "a module has no level",
    files: [file("src/misc/a.ts")],
    says: "src/misc/a.ts: misc is not a module",
  },
];

for (const { name, files, says } of BAD) {
  Deno.test(`the structure is violated when ${name}`, () => {
    const found = layerViolations(files);
    assertEquals(found.length, 1, found.join("\n"));
    assertStringIncludes(found[0]!, says);
  });
}

Deno.test("a retired word is found in identifiers and file names, and nowhere else", () => {
  const found = wordViolations([
    file("src/a/disarm.ts", [], "export const x = 1;"),
    file("src/a/b.ts", [], "const makeRoom = openWishes(); // a room\nconst text = 'room gate';"),
    file("src/a/c.ts", [], "const navigate = `gate ${1}`; const mushroom = /* rig */ 1;"),
    file("tests/d.ts", [], "const says = /[/] makes room \\/ here/; const half = gate / 2 / 1;"),
  ]);
  assertEquals(found.map((line) => line.split(" says ")[0]), [
    "src/a/disarm.ts: disarm",
    "src/a/b.ts: makeRoom",
    "src/a/b.ts: openWishes",
    "tests/d.ts: gate",
  ]);
});

Deno.test("what waits for a disk is found on the thread that answers calls, and on no other", () => {
  const found = blockingViolations([
    file("src/daemon/worker.ts", ["src/rpc/a.ts", "src/linux/b.ts"]),
    file("src/rpc/a.ts", ["src/store/c.ts"], "Deno.permissions.querySync(x); // readFileSync()"),
    file("src/store/c.ts", [], "export const c = () => Deno.readTextFileSync(path);"),
    file("src/linux/b.ts", [], "Deno.openSync(path);"),
    file("src/content/d.ts", [], "Atomics.wait(cells, 0, 0);"),
  ]);
  assertEquals(found.length, 1, found.join("\n"));
  assertStringIncludes(found[0]!, "src/store/c.ts: readTextFileSync( keeps the thread");
});

Deno.test("an exported symbol without a comment is found", async () => {
  using folder = testFolder();
  Deno.writeTextFileSync(`${folder.path}/a.ts`, "/** Is said. */\nexport const a = 1;");
  Deno.writeTextFileSync(`${folder.path}/b.ts`, "export interface B { c: 1 }");
  Deno.writeTextFileSync(
    `${folder.path}/mod.ts`,
    '/** A module. */\n\nexport { a } from "./a.ts";\nexport type { B } from "./b.ts";\n',
  );
  Deno.writeTextFileSync(`${folder.path}/other.ts`, 'export type { B } from "./b.ts";\n');
  const found = await docViolations(folder.path, ["mod.ts", "other.ts"]);
  assertEquals(found.length, 1);
  assertStringIncludes(found[0]!, ".ts: exports B without a comment that says what it does");
});

Deno.test("the check follows type imports, asks every file for comments, and exits 1", async () => {
  using folder = testFolder();
  Deno.writeTextFileSync(`${folder.path}/deno.json`, "{}");
  Deno.mkdirSync(`${folder.path}/src/linux`, { recursive: true });
  Deno.mkdirSync(`${folder.path}/src/content`);
  Deno.writeTextFileSync(`${folder.path}/src/content/mod.ts`, "/** A. */\nexport type A = 1;");
  Deno.writeTextFileSync(
    `${folder.path}/src/linux/b.ts`,
    'import type { A } from "../content/mod.ts";\nexport type B = A;',
  );
  const { code, stderr } = await check(folder.path);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "src/linux/b.ts: upward arrow to src/content/mod.ts");
  assertStringIncludes(stderr, "src/linux/b.ts: exports B without a comment");
});

Deno.test("structure, words and comments of this project are in order", async () => {
  const { code, stderr } = await check();
  assert(code === 0, stderr);
});
