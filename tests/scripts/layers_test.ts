import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { type SourceFile, violations } from "../../scripts/check_layers.ts";
import { testFolder } from "../fixtures/folder.ts";

const SCRIPT = fromFileUrl(new URL("../../scripts/check_layers.ts", import.meta.url));

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
    files: [file("src/store/a.ts", ["src/workspace/b.ts"])],
    says: "src/store/a.ts: upward arrow to src/workspace/b.ts",
  },
  {
    name: "two modules of a level use each other",
    files: [
      file("src/git/a.ts", ["src/snapshot/b.ts"]),
      file("src/snapshot/c.ts", ["src/git/d.ts"]),
    ],
    says: "cycle between git -> snapshot -> git",
  },
  {
    name: "three modules make a ring",
    files: [
      file("src/cli/a.ts", ["src/rpc/a.ts"]),
      file("src/rpc/a.ts", ["src/process/a.ts"]),
      file("src/process/a.ts", ["src/cli/a.ts"]),
    ],
    says: "cycle between cli -> rpc -> process -> cli",
  },
  {
    name: "another module than linux calls FFI",
    files: [file("src/content/a.ts", [], "Deno.dlopen(path, {})")],
    says: "src/content/a.ts: calls FFI",
  },
  {
    name: "generated code is imported elsewhere",
    files: [file("src/workspace/a.ts", ["src/wire/gen/daemon_pb.ts"])],
    says: "src/workspace/a.ts: imports generated code",
  },
  {
    name: "generated code is imported by a module beside wire",
    files: [file("src/daemon/a.ts", ["src/wire/gen/daemon_pb.ts"])],
    says: "src/daemon/a.ts: imports generated code",
  },
  {
    name: "the store knows the archive format",
    files: [file("src/store/a.ts", ["src/archive/b.ts"])],
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
  Deno.test(`layering is violated when ${name}`, () => {
    const found = violations(files);
    assertEquals(found.length, 1, found.join("\n"));
    assertStringIncludes(found[0]!, says);
  });
}

Deno.test("layering check follows type imports, and exits 1", async () => {
  using folder = testFolder();
  Deno.writeTextFileSync(`${folder.path}/deno.json`, "{}");
  Deno.mkdirSync(`${folder.path}/src/linux`, { recursive: true });
  Deno.mkdirSync(`${folder.path}/src/content`);
  Deno.writeTextFileSync(`${folder.path}/src/content/a.ts`, "export type A = 1;");
  Deno.writeTextFileSync(
    `${folder.path}/src/linux/b.ts`,
    'import type { A } from "../content/a.ts";\nexport type B = A;',
  );
  const { code, stderr } = await check(folder.path);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "src/linux/b.ts: upward arrow to src/content/a.ts");
});

Deno.test("layering holds in this project", async () => {
  const { code, stderr } = await check();
  assert(code === 0, stderr);
});
