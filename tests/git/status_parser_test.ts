import { assertEquals, assertThrows } from "@std/assert";
import { RecordSplitter, statusParser } from "../../src/git/status_parser.ts";

interface Parsed {
  branch: string;
  commit: string;
  changed: string[];
  untracked: string[];
}

function parse(output: Uint8Array, chunk: number): Parsed {
  const parsed: Parsed = { branch: "", commit: "", changed: [], untracked: [] };
  const parser = statusParser({
    branch: (name) => parsed.branch = name,
    commit: (hash) => parsed.commit = hash,
    changed: (path) => parsed.changed.push(path),
    untracked: (path) => parsed.untracked.push(path),
  });
  for (let at = 0; at < output.length; at += chunk) parser.push(output.subarray(at, at + chunk));
  parser.end();
  return parsed;
}

function output(...records: string[]): Uint8Array {
  return new TextEncoder().encode(records.map((record) => `${record}\0`).join(""));
}

Deno.test("status parser knows each kind of record, however it is cut", () => {
  const bytes = output(
    "# branch.oid 1234",
    "# branch.head topic/ä",
    "# branch.upstream origin/topic",
    "# branch.ab +1 -2",
    "1 .M N... 100644 100644 100644 aaaa bbbb with space.txt",
    "2 R. N... 100644 100644 100644 aaaa bbbb R100 new name",
    "? old name",
    "u UU N... 100644 100644 100644 100644 aaaa bbbb cccc conflict",
    "? dir/untracked",
    "! ignored",
  );
  for (const chunk of [1, 7, 4096]) {
    assertEquals(parse(bytes, chunk), {
      branch: "topic/ä",
      commit: "1234",
      changed: ["with space.txt", "new name", "conflict"],
      untracked: ["dir/untracked"],
    });
  }
});

Deno.test("status parser has no commit where there is none", () => {
  assertEquals(parse(output("# branch.oid (initial)", "# branch.head main"), 5).commit, "");
});

Deno.test("status parser names what is no UTF-8 as the tree's listing does", () => {
  const bytes = Uint8Array.of(...new TextEncoder().encode("? a/"), 0xff, 0x62, 0);
  assertEquals(parse(bytes, 2).untracked, ["a/\\xffb"]);
});

Deno.test("status parser counts two hundred thousand records", () => {
  const records = Array.from({ length: 200_000 }, (_, n) => `? folder ${n % 7}/file ${n}`);
  const bytes = output(records.join("\0"));
  const { untracked } = parse(bytes, 65_521);
  assertEquals(untracked.length, 200_000);
  assertEquals(untracked.at(-1), "folder 2/file 199999");
});

Deno.test("status parser refuses a record that it does not know", () => {
  assertThrows(() => parse(output("9 what"), 100), Error, "type 9");
});

Deno.test("record splitter hands over what no NUL ends", () => {
  const records: string[] = [];
  const splitter = new RecordSplitter((record) => records.push(new TextDecoder().decode(record)));
  splitter.push(new TextEncoder().encode("a\0b"));
  splitter.push(new TextEncoder().encode("c"));
  splitter.end();
  assertEquals(records, ["a", "bc"]);
});
