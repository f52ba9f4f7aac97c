import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { OpenAreas } from "../../src/content/areas.ts";
import {
  checkBaselineName,
  commitBaseline,
  dropBaseline,
  isBaselineToken,
  newBaselineToken,
} from "../../src/content/baseline/tokens.ts";
import { DaemonError, type ErrorCode } from "../../src/errors.ts";
import { openFolder } from "../linux/fixture.ts";

/** Areas of which only these two exist; the rest is not asked for. */
function openBaselines(folder: ReturnType<typeof openFolder>): OpenAreas {
  for (const name of ["baselines", "trash"]) folder.dir.makeDirectory(name);
  const baselines = folder.dir.openDirectory("baselines");
  return { baselines, trash: folder.dir.openDirectory("trash") } as OpenAreas;
}

function namesIn({ baselines }: OpenAreas): string[] {
  return [...baselines.entries()].map(({ name }) => new TextDecoder().decode(name as Uint8Array))
    .sort();
}

function assertCode(action: () => void, code: ErrorCode, message: string): void {
  const error = assertThrows(action, DaemonError);
  assertEquals(error.code, code);
  assertStringIncludes(error.message, message);
}

Deno.test("no token is a committed baseline's name, and none is like another", () => {
  const token = newBaselineToken();
  assert(isBaselineToken(token) && !isBaselineToken("ws-1") && token !== newBaselineToken());
  checkBaselineName("ws-1");
  for (const name of [token, "..", "a/b", "", "a\0"]) {
    assertThrows(() => checkBaselineName(name), DaemonError);
  }
});

Deno.test("a commit replaces the baseline of its name, even where a folder is in the way", () => {
  using folder = openFolder();
  const areas = openBaselines(folder);
  using _baselines = areas.baselines;
  using _trash = areas.trash;
  const tokens = ["old", "new", "over"].map((text) => {
    const token = newBaselineToken();
    using file = areas.baselines.createFile(token);
    file.write(new TextEncoder().encode(text));
    return token;
  });
  areas.baselines.makeDirectory("ws-2");
  areas.baselines.makeDirectory("ws-2/inside");
  commitBaseline(areas, { token: tokens[0]!, name: "ws-1" });
  commitBaseline(areas, { token: tokens[1]!, name: "ws-1" });
  commitBaseline(areas, { token: tokens[2]!, name: "ws-2" });
  assertEquals(namesIn(areas), ["ws-1", "ws-2"]);
  using file = areas.baselines.openFile("ws-1");
  const content = new Uint8Array(3);
  file.readAt(content, 0);
  assertEquals(new TextDecoder().decode(content), "new");
  dropBaseline(areas, { name: "ws-1" });
  dropBaseline(areas, { name: "ws-1" });
  assertEquals(namesIn(areas), ["ws-2"]);
});

Deno.test("a commit refuses what is no token, and a token that is not there", () => {
  using folder = openFolder();
  const areas = openBaselines(folder);
  using _baselines = areas.baselines;
  using _trash = areas.trash;
  const commit = (token: string, name: string) => () => commitBaseline(areas, { token, name });
  assertCode(commit("ws-1", "ws-2"), "INVALID_ARGUMENT", "ws-1 is not the token");
  assertCode(commit(newBaselineToken(), ".ws"), "INVALID_ARGUMENT", ".ws");
  assertCode(commit(".gone", "ws-1"), "NOT_FOUND", "there is no new baseline .gone");
});
