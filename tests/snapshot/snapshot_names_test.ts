import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import {
  backupKey,
  backupUrl,
  isIdentityPart,
  isReferenceKey,
  logKey,
  newSnapshotName,
  parseBackupName,
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

Deno.test("a backup's url parses to whose it is and to its manifest", () => {
  const manifest = digestOf("manifest");
  fc.assert(fc.property(identity, (who) => {
    assertEquals(parseBackupName(backupUrl(who, manifest)), { identity: who, manifest });
    const named = { kind: "backup", identity: who, manifest } as const;
    assertEquals(parseSnapshotName(backupUrl(who, manifest), "s"), named);
  }));
  const latest = { kind: "backup", identity: { owner: "a", metaId: "b" } } as const;
  assertEquals(parseSnapshotName("wsdaemon:backup/a/b", "s"), latest);
  assertEquals(parseBackupName("wsdaemon:backup/a/b"), {
    identity: { owner: "a", metaId: "b" },
  });
  for (const other of ["wsdaemon:backup/a", "wsdaemon:backup/../b", "wsdaemon:backup/a/b/c", "x"]) {
    assertEquals(parseBackupName(other), undefined, other);
  }
});

Deno.test("a key is a reference's exactly where it is one that an identity's could be", () => {
  fc.assert(fc.property(identity, (who) => {
    assert(isReferenceKey(backupKey(who)) && isReferenceKey(snapshotKey(who, "id")));
  }));
  const others = [
    "refs/backups/a.json",
    "refs/backups/a/b",
    "refs/backups/a/b/c.json",
    "refs/snapshots/a/b.json",
    "refs/other/a/b.json",
    "xrefs/backups/a/b.json",
  ];
  for (const key of others) assert(!isReferenceKey(key), key);
});

Deno.test("a log's key is made of plain segments, whatever its task is called", () => {
  const tasks = fc.oneof(fc.string(), fc.constantFrom(".", "..", "a/b", "\\", "x".repeat(300)));
  fc.assert(fc.property(identity, tasks, tasks, (who, one, other) => {
    const key = logKey(who, "instance", one);
    assertEquals(key.split("/").length, 8);
    for (const segment of key.split("/")) assert(segment !== "." && segment !== "..", key);
    assertEquals(key === logKey(who, "instance", other), one === other);
  }));
});
