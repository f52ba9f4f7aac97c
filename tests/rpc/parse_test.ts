import { assertEquals, assertThrows } from "@std/assert";
import { DaemonError } from "../../src/errors.ts";
import { initRequestFromJson } from "../../src/client/mod.ts";
import type { InitializerSpec } from "../../src/initializer/specs.ts";
import { parseDispose, parseId, parseInit } from "../../src/rpc/parse.ts";

type Json = Record<string, unknown>;

function initJson(changes: Json): Json {
  const metadata = { owner: "alice", metaId: "meta" };
  return { id: "ws-1", metadata, initializer: { empty: {} }, ...changes };
}

function specOf(initializer: Json): InitializerSpec {
  return parseInit(initRequestFromJson(initJson({ initializer }))).initializer;
}

function refusal(parse: () => unknown): string {
  const error = assertThrows(parse, DaemonError);
  assertEquals(error.code, "INVALID_ARGUMENT");
  return error.message;
}

Deno.test("an id of 1 to 128 of A-Za-z0-9._- is taken as it is", () => {
  for (const id of ["a", "0", "ws-1.x_Y", "a".repeat(128)]) assertEquals(parseId(id), id);
});

Deno.test("a malformed id is refused, naming the field and the reason", () => {
  const refused: [string, string][] = [
    ["", "id must not be empty"],
    ["a".repeat(129), "id must be 1 to 128"],
    ["-a", "start with a letter or digit"],
    [".", "start with a letter or digit"],
    ["a/b", 'it is "a/b"'],
    ["a\nb", String.raw`it is "a\nb"`],
    ["a\0", String.raw`it is "a\u0000"`],
    ["ä", 'it is "ä"'],
    ["a..b", 'must not contain ".."'],
  ];
  for (const [id, why] of refused) {
    const message = refusal(() => parseId(id));
    assertEquals(message.startsWith("id ") && message.includes(why), true, message);
  }
});

Deno.test("the fields of an InitWorkspace request reach the daemon", () => {
  const json = initJson({ remoteStorageDisabled: true, storageQuotaBytes: "9007199254740993" });
  assertEquals(parseInit(initRequestFromJson(json)), {
    id: "ws-1",
    owner: "alice",
    metaId: "meta",
    initializer: { kind: "empty" },
    remoteStorageDisabled: true,
    storageQuotaBytes: 9007199254740993n,
  });
});

Deno.test("a malformed InitWorkspace request is refused, naming the field", () => {
  const metadata = (owner: string, metaId: string) => ({ metadata: { owner, metaId } });
  const refused: [Json, string][] = [
    [{ id: "../x" }, "id must be"],
    [{ metadata: null }, "metadata must be set"],
    [metadata("", "m"), "metadata.owner must not be empty"],
    [metadata("a/b", "m"), "metadata.owner must be 1 to 256"],
    [metadata("..", "m"), 'metadata.owner must not be ".."'],
    [metadata("a".repeat(257), "m"), "metadata.owner must be 1 to 256"],
    [metadata("a", ""), "metadata.meta_id must not be empty"],
    [metadata("a", "m m"), "metadata.meta_id must be 1 to 256"],
    [metadata("a", "."), 'metadata.meta_id must not be "."'],
    [{ storageQuotaBytes: "-1" }, "storage_quota_bytes must not be negative: it is -1"],
    [{ initializer: null }, "initializer must be set to one of empty, git"],
    [{ initializer: {} }, "initializer must be set to one of empty, git"],
    [
      { initializer: { composite: { initializer: [{ empty: {} }, {}] } } },
      "initializer.composite.initializer[1] must be set",
    ],
    [{ initializer: { git: { targetMode: 9 } } }, "initializer.git.target_mode has the value 9"],
    [
      { initializer: { git: { config: { authentication: 7 } } } },
      "initializer.git.config.authentication has the value 7",
    ],
    [
      { initializer: { prebuild: { git: [{}, { targetMode: 4 }] } } },
      "initializer.prebuild.git[1].target_mode",
    ],
  ];
  for (const [changes, why] of refused) {
    const message = refusal(() => parseInit(initRequestFromJson(initJson(changes))));
    assertEquals(message.startsWith(why), true, `${message} should start with ${why}`);
  }
});

Deno.test("every field of every initializer reaches the daemon", () => {
  const git = {
    remote_uri: "https://example.org/r.git",
    upstream_Remote_uri: "https://example.org/u.git",
    target_mode: "LOCAL_BRANCH",
    clone_taget: "topic",
    checkout_location: "src/r",
    full_clone: true,
    config: {
      custom_config: { "user.name": "A" },
      authentication: "BASIC_AUTH",
      auth_user: "u",
      auth_password: "p",
      auth_ots: "https://example.org/ots",
    },
  };
  const gitSpec: InitializerSpec = {
    kind: "git",
    remoteUri: "https://example.org/r.git",
    upstreamRemoteUri: "https://example.org/u.git",
    targetMode: "LOCAL_BRANCH",
    cloneTarget: "topic",
    checkoutLocation: "src/r",
    fullClone: true,
    config: {
      customConfig: { "user.name": "A" },
      authentication: "BASIC_AUTH",
      authUser: "u",
      authPassword: "p",
      authOts: "https://example.org/ots",
    },
  };
  const snapshot = { snapshot: "name", from_volume_snapshot: true };
  const snapshotSpec: InitializerSpec = {
    kind: "snapshot",
    snapshot: "name",
    fromVolumeSnapshot: true,
  };
  const file = { url: "https://example.org/f", file_path: "bin/f", digest: "sha256:00" };
  const cases: [Json, InitializerSpec][] = [
    [{ empty: {} }, { kind: "empty" }],
    [{ git }, gitSpec],
    [{ snapshot }, snapshotSpec],
    [{ prebuild: { prebuild: snapshot, git: [git] } }, {
      kind: "prebuild",
      prebuild: snapshotSpec,
      git: [gitSpec],
    }],
    [{ prebuild: {} }, { kind: "prebuild", git: [] }],
    [{ download: { files: [file], target_location: "tools" } }, {
      kind: "download",
      files: [{ url: "https://example.org/f", filePath: "bin/f", digest: "sha256:00" }],
      targetLocation: "tools",
    }],
    [{ backup: { checkout_location: "src", from_volume_snapshot: true } }, {
      kind: "backup",
      checkoutLocation: "src",
      fromVolumeSnapshot: true,
    }],
  ];
  for (const [json, spec] of cases) assertEquals(specOf(json), spec);
  const composite = specOf({ composite: { initializer: cases.map(([json]) => json) } });
  assertEquals(composite, { kind: "composite", initializers: cases.map(([, spec]) => spec) });
});

Deno.test("Git without a config authenticates with nothing", () => {
  const spec = specOf({ git: { remoteUri: "x" } });
  assertEquals(spec.kind === "git" && spec.config, {
    customConfig: {},
    authentication: "NO_AUTH",
    authUser: "",
    authPassword: "",
    authOts: "",
  });
});

Deno.test("both flags of DisposeWorkspace are told apart", () => {
  const flags = { id: "a", backup: false, backupLogs: false };
  const request = (changes: Json) => ({
    $typeName: "wsdaemon.DisposeWorkspaceRequest" as const,
    ...flags,
    ...changes,
  });
  assertEquals(parseDispose(request({ backup: true })), { ...flags, backup: true });
  assertEquals(parseDispose(request({ backupLogs: true })), { ...flags, backupLogs: true });
});
