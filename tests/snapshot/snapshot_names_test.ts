import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DaemonError } from "../../src/errors.ts";
import {
  backupKey,
  isIdentityPart,
  newSnapshotName,
  parseSnapshotName,
  snapshotKey,
} from "../../src/snapshot/snapshot_names.ts";

const part = fc.stringMatching(/^[A-Za-z0-9._@:+=-]{1,256}$/).filter(isIdentityPart);
const identity = fc.record({ owner: part, metaId: part });

Deno.test("a new snapshot's name parses to whose it is", () => {
  fc.assert(
    fc.property(
      identity,
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("9999-01-01") }),
      (who, date) => {
        const name = parseSnapshotName(newSnapshotName(who, date.getTime()), "snapshot");
        assert(name.kind === "image");
        assertEquals(name.identity, who);
      },
    ),
  );
});

Deno.test("two identities never share a key, and every key is made of short plain segments", () => {
  fc.assert(fc.property(identity, identity, (a, b) => {
    const same = a.owner === b.owner && a.metaId === b.metaId;
    assertEquals(backupKey(a) === backupKey(b), same);
    assertEquals(snapshotKey(a, "x") === snapshotKey(b, "x"), same);
    for (const key of [backupKey(a), snapshotKey(a, "x")]) {
      for (const segment of key.split("/")) {
        assert(segment.length <= 200 && segment !== "" && segment !== "." && segment !== "..");
      }
    }
  }));
  const long = "x".repeat(250);
  assertNotEquals(
    backupKey({ owner: `${long}a`, metaId: "m" }),
    backupKey({ owner: `${long}b`, metaId: "m" }),
  );
});

Deno.test("a plain archive's name is split at its last @", () => {
  assertEquals(parseSnapshotName("workspaces/a@b/full.tar.gz@my-bucket", "s"), {
    kind: "archive",
    object: "workspaces/a@b/full.tar.gz",
    bucket: "my-bucket",
    compression: "gzip",
  });
  assertEquals(parseSnapshotName("x.tar@bkt", "s"), {
    kind: "archive",
    object: "x.tar",
    bucket: "bkt",
    compression: "none",
  });
});

Deno.test("a malformed snapshot name is INVALID_ARGUMENT and says which field and what is wrong", () => {
  const cases: [string, string][] = [
    ["", "must be given"],
    ["wsdaemon:", "must look like"],
    ["wsdaemon:snapshot/a/b", "must look like"],
    ["wsdaemon:snapshot/a/../20260101T000000Z-0123456789abcdef", "must look like"],
    ["wsdaemon:snapshot/a/b/20260101T000000Z-0123456789abcdeg", "must look like"],
    ["wsdaemon:backup/a/b/20260101T000000Z-0123456789abcdef", "must look like"],
    ["no-bucket.tar", "<object>@<bucket>"],
    ["x.zip@bucket", "must end in .tar"],
    ["../x.tar@bucket", "plain path segments"],
    ["/x.tar@bucket", "plain path segments"],
    ["a//x.tar@bucket", "plain path segments"],
    ["a\0.tar@bucket", "plain path segments"],
    ["@bucket", "plain path segments"],
    ["x.tar@", "bucket"],
    ["x.tar@../b", "bucket"],
    ["x.tar@UPPER", "bucket"],
    [`${"x".repeat(1100)}.tar@bucket`, "plain path segments"],
  ];
  for (const [name, problem] of cases) {
    const error = assertThrows(() => parseSnapshotName(name, "the.field"), DaemonError, problem);
    assertEquals(error.code, "INVALID_ARGUMENT", name);
    assert(error.message.startsWith("the.field "), error.message);
  }
});
