import { assertEquals, assertStringIncludes } from "@std/assert";
import { z } from "zod";
import { legacyArchive, legacyField } from "../../src/store/legacy_pattern.ts";

const ALICE = { owner: "alice", metaId: "notes" };

Deno.test("a pattern of an older layout names an identity's archive", () => {
  const cases = [
    [
      "{owner}/workspaces/{meta}/full.tar@bucket",
      { object: "alice/workspaces/notes/full.tar", bucket: "bucket" },
    ],
    ["workspaces/{meta}/full.tar.gz@user-{owner}", {
      object: "workspaces/notes/full.tar.gz",
      bucket: "user-alice",
    }],
    ["a/{meta}-x/{owner}.tar.zst@b.c", { object: "a/notes-x/alice.tar.zst", bucket: "b.c" }],
  ] as const;
  for (const [pattern, name] of cases) {
    assertEquals(legacyField.parse([pattern]), [pattern]);
    assertEquals(legacyArchive(pattern, ALICE), name);
  }
  assertEquals(legacyArchive("{owner}/{meta}.tar@b-c", { owner: "$&@x", metaId: "m" }), {
    object: "$&@x/m.tar",
    bucket: "b-c",
  });
});

Deno.test("an identity whose archive's bucket nobody can have has no archive", () => {
  const pattern = "{meta}/full.tar@{owner}";
  for (const owner of ["Alice", "a@b", "x", "a..b", "a".repeat(64)]) {
    assertEquals(legacyArchive(pattern, { owner, metaId: "notes" }), undefined, owner);
  }
  const long = { owner: "o".repeat(256), metaId: "m".repeat(256) };
  assertEquals(legacyArchive(`${"x/".repeat(300)}{owner}/{meta}.tar@b-c`, long), undefined);
});

Deno.test("a pattern by which two identities could share an archive is refused, and why is said", () => {
  const cases = {
    "full.tar@bucket": "with {meta} in the object",
    "{meta}/full.tar@bucket": "{owner} in the object or the bucket",
    "{owner}/full.tar@bucket-{meta}": "with {meta} in the object",
    "{owner}/{meta}/full.tar@b-{meta}": "nothing but one {owner} in the bucket",
    "{owner}-{meta}/full.tar@bucket": 'with a "/" between',
    "{owner}/{meta}/full.tar": 'with a bucket after an "@"',
    "{owner}/{meta}/full.tar@": "the name of a bucket",
    "{owner}/{meta}/full.tar@Not_A_Bucket": "the name of a bucket",
    "{owner}/{workspace}/{meta}.tar@bucket": "not {workspace}",
    "{owner}/../{meta}/full.tar@bucket": "plain path segments",
    "/{owner}/{meta}/full.tar@bucket": "plain path segments",
    "{owner}/{meta}/full.zip@bucket": ".tar.gz or .tar.zst",
  };
  for (const [pattern, says] of Object.entries(cases)) {
    const { error } = z.object({ legacy: legacyField }).safeParse({ legacy: [pattern] });
    assertEquals(error?.issues.length, 1, pattern);
    assertStringIncludes(error!.issues[0]!.message, says, pattern);
  }
});

Deno.test("patterns by which two identities could share an archive are refused together", () => {
  const cases: [one: string, other: string, isRefused: boolean][] = [
    ["{owner}/x/{meta}.tar@b-c", "{meta}/x/{owner}.tar@b-c", true],
    ["{owner}/{meta}.tar@b-c", "{owner}/ws-{meta}.tar@b-c", true],
    ["x/{meta}.tar@user-{owner}", "{owner}/{meta}.tar@user-all", true],
    ["{owner}/{meta}.tar@b-c", "{owner}/{meta}.tar@b-c", false],
    ["{owner}/{meta}.tar@b-c", "{owner}/{meta}.tar.gz@b-c", false],
    ["{owner}/{meta}.tar@b-c", "{meta}/{owner}.tar@c-d", false],
    ["{owner}/{meta}.tar@user-all", "{owner}/{meta}.tar@user-{owner}", false],
    ["{owner}/workspaces/{meta}/full.tar@b-c", "workspaces/{meta}/full.tar@user-{owner}", false],
  ];
  for (const [one, other, isRefused] of cases) {
    for (const legacy of [[one, other], [other, one]]) {
      const { error } = z.object({ legacy: legacyField }).safeParse({ legacy });
      assertEquals(error?.issues.length, isRefused ? 1 : undefined, legacy.join());
      if (isRefused) assertStringIncludes(error!.issues[0]!.message, legacy.join(" and "));
    }
  }
});
