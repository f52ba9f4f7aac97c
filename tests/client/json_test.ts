import { assert, assertEquals, assertThrows } from "@std/assert";
import { create } from "@bufbuild/protobuf";
import { DaemonError } from "../../src/errors.ts";
import { gitStatusToJson, initRequestFromJson } from "../../src/client/mod.ts";
import { GitStatusSchema } from "../../src/wire/mod.ts";

Deno.test("JSON that is not a request is refused, naming what cannot be read", () => {
  const refused: [unknown, string][] = [
    [{ id: 5 }, "wsdaemon.InitWorkspaceRequest.id"],
    [{ idd: "x" }, '"idd"'],
    [{ initializer: { empty: {}, git: {} } }, "oneof"],
    [{ initializer: { git: { targetMode: "NOWHERE" } } }, "NOWHERE"],
    [[], "wsdaemon.InitWorkspaceRequest"],
    ["text", "wsdaemon.InitWorkspaceRequest"],
  ];
  for (const [json, why] of refused) {
    const error = assertThrows(() => initRequestFromJson(json), DaemonError);
    assertEquals(error.code, "INVALID_ARGUMENT");
    assert(error.message.includes(why), `${error.message} should name ${why}`);
  }
});

Deno.test("a Git status as JSON has all its fields, those with their default value too", () => {
  const status = create(GitStatusSchema, {
    branch: "main",
    untrackedFiles: ["a"],
    totalUntrackedFiles: 1n,
  });
  assertEquals(gitStatusToJson(status), {
    branch: "main",
    latestCommit: "",
    uncommitedFiles: [],
    totalUncommitedFiles: "0",
    untrackedFiles: ["a"],
    totalUntrackedFiles: "1",
    unpushedCommits: [],
    totalUnpushedCommits: "0",
  });
});
