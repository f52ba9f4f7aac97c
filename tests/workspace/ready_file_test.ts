/** What the ready file of a workspace says. */

import { assertEquals } from "@std/assert";
import type { Content, Owner, Tree } from "../../src/content/mod.ts";
import { ReadyFile, type RestoredAs } from "../../src/workspace/ready_file.ts";
import type { Workspace } from "../../src/workspace/workspace.ts";

Deno.test("a ready file says what the content was made from, in the original's words", async () => {
  const texts: string[] = [];
  const content = {
    placeReadyFile(_tree: Tree, text: string, _owner: Owner) {
      texts.push(text);
      return Promise.resolve();
    },
  } as Content;
  const readyFile = new ReadyFile(content, { uid: 1000, gid: 1000 });
  const kinds: [string, RestoredAs | undefined][] = [
    ["empty", undefined],
    ["git", undefined],
    ["download", undefined],
    ["composite", "initializer"],
    ["snapshot", "initializer"],
    ["backup", "initializer"],
    ["prebuild", "initializer"],
    ["prebuild", undefined],
    ["git", "preferred backup"],
    ["prebuild", "preferred backup"],
  ];
  for (const [initializer, restored] of kinds) {
    const workspace = { record: { initializer } } as Workspace;
    await readyFile.place(workspace, restored, () => {});
  }
  const other = '{"source":"from-other"}';
  const backup = '{"source":"from-backup"}';
  const prebuild = '{"source":"from-prebuild"}';
  assertEquals(texts, [
    other,
    other,
    other,
    other,
    backup,
    backup,
    prebuild,
    other,
    backup,
    backup,
  ]);
});
