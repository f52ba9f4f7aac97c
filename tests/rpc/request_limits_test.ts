import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { DescMessage } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { DaemonError } from "../../src/errors.ts";
import { initRequestFromJson } from "../../src/client/mod.ts";
import { InitWorkspaceRequestSchema } from "../../src/wire/gen/daemon_pb.ts";
import { parseInit } from "../../src/rpc/parse.ts";
import { checkShape, MAX_DEPTH, MAX_FIELDS } from "../../src/rpc/request_limits.ts";
import { DEFAULT_LIMITS } from "../../src/rpc/server.ts";
import { runs } from "../fixtures/soak.ts";

type Json = Record<string, unknown>;

function parse(initializer: Json): unknown {
  const metadata = { owner: "alice", metaId: "meta" };
  return parseInit(initRequestFromJson({ id: "w", metadata, initializer }));
}

const URL = "https://h/";
const file = (changes: Json) => ({ url: URL, filePath: "f", digest: "sha256:0", ...changes });
const git = (changes: Json) => ({ git: { remoteUri: URL, ...changes } });
const config = (changes: Json) => git({ config: changes });
const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [n, ""]));

/** A field at its limit, the same with one more, and what is said of that. */
const LIMITS: readonly [Json, Json, string][] = [
  [
    git({ remoteUri: URL.padEnd(8192, "x") }),
    git({ remoteUri: URL.padEnd(8193, "x") }),
    "initializer.git.remote_uri must be at most 8192 bytes: current size is 8193",
  ],
  [
    git({ upstreamRemoteUri: "x".repeat(8192) }),
    git({ upstreamRemoteUri: "ä".repeat(4097) }),
    "initializer.git.upstream_Remote_uri must be at most 8192 bytes: current size is 8194",
  ],
  [
    git({ cloneTaget: "x".repeat(1024) }),
    git({ cloneTaget: "x".repeat(1025) }),
    "initializer.git.clone_taget must be at most 1024 bytes: current size is 1025",
  ],
  [
    git({ checkoutLocation: "x".repeat(4096) }),
    git({ checkoutLocation: "x".repeat(4097) }),
    "initializer.git.checkout_location must be at most 4096 bytes: current size is 4097",
  ],
  [
    git({ checkoutLocation: "a//./".repeat(128) }),
    git({ checkoutLocation: "a/".repeat(129) }),
    "initializer.git.checkout_location must have at most 128 names between its slashes: it has 129",
  ],
  [
    config({ authUser: "x".repeat(1024) }),
    config({ authUser: "x".repeat(1025) }),
    "initializer.git.config.auth_user must be at most 1024 bytes: current size is 1025",
  ],
  [
    config({ authPassword: "x".repeat(65536) }),
    config({ authPassword: "x".repeat(65537) }),
    "initializer.git.config.auth_password must be at most 65536 bytes: current size is 65537",
  ],
  [
    config({ authOts: "x".repeat(8192) }),
    config({ authOts: "x".repeat(8193) }),
    "initializer.git.config.auth_ots must be at most 8192 bytes: current size is 8193",
  ],
  [
    config({ customConfig: many(256) }),
    config({ customConfig: many(257) }),
    "initializer.git.config.custom_config must have at most 256 items: it has 257",
  ],
  [
    config({ customConfig: { ["x".repeat(1024)]: "" } }),
    config({ customConfig: { ["x".repeat(1025)]: "" } }),
    "a name in initializer.git.config.custom_config must be at most 1024 bytes: current size is 1025",
  ],
  [
    config({ customConfig: { a: "x".repeat(32767), b: "x".repeat(32767) } }),
    config({ customConfig: { a: "x".repeat(32767), b: "x".repeat(32768) } }),
    "initializer.git.config.custom_config must be at most 65536 bytes: current size is 65537",
  ],
  [
    { snapshot: { snapshot: "x".repeat(4096) } },
    { snapshot: { snapshot: "x".repeat(4097) } },
    "initializer.snapshot.snapshot must be at most 4096 bytes: current size is 4097",
  ],
  [
    { prebuild: { prebuild: { snapshot: "x".repeat(4096) } } },
    { prebuild: { prebuild: { snapshot: "x".repeat(4097) } } },
    "initializer.prebuild.prebuild.snapshot must be at most 4096 bytes: current size is 4097",
  ],
  [
    { backup: { checkoutLocation: "x".repeat(4096) } },
    { backup: { checkoutLocation: "x".repeat(4097) } },
    "initializer.backup.checkout_location must be at most 4096 bytes: current size is 4097",
  ],
  [
    { download: { files: Array(1000).fill(file({})) } },
    { download: { files: Array(1001).fill(file({})) } },
    "initializer.download.files must have at most 1000 items: it has 1001",
  ],
  [
    { download: { files: [file({ url: "x".repeat(8192) })] } },
    { download: { files: [file({}), file({ url: "x".repeat(8193) })] } },
    "initializer.download.files[1].url must be at most 8192 bytes: current size is 8193",
  ],
  [
    { download: { files: [file({ filePath: "x".repeat(4096) })] } },
    { download: { files: [file({ filePath: "x".repeat(4097) })] } },
    "initializer.download.files[0].file_path must be at most 4096 bytes: current size is 4097",
  ],
  [
    { download: { files: [file({ digest: "x".repeat(256) })] } },
    { download: { files: [file({ digest: "x".repeat(257) })] } },
    "initializer.download.files[0].digest must be at most 256 bytes: current size is 257",
  ],
  [
    { download: { targetLocation: "x/".repeat(128) } },
    { download: { targetLocation: "x/".repeat(129) } },
    "initializer.download.target_location must have at most 128 names between its slashes: it has 129",
  ],
  [
    { composite: { initializer: Array(255).fill({ empty: {} }) } },
    { composite: { initializer: Array(256).fill({ empty: {} }) } },
    "initializer must have at most 256 items: it has 257",
  ],
  [
    { composite: { initializer: [{ prebuild: { git: Array(254).fill({ remoteUri: URL }) } }] } },
    { composite: { initializer: [{ prebuild: { git: Array(255).fill({ remoteUri: URL }) } }] } },
    "initializer must have at most 256 items: it has 257",
  ],
];

Deno.test("every field of an initializer is taken up to its limit and refused beyond, with its size", () => {
  for (const [taken, beyond, message] of LIMITS) {
    parse(taken);
    const error = assertThrows(() => parse(beyond), DaemonError);
    assertEquals([error.code, error.message], ["INVALID_ARGUMENT", message]);
  }
});

/** A schema that counts how often a field is looked up in it or in what it nests. */
function counting(schema: DescMessage, steps: { count: number }): DescMessage {
  return {
    ...schema,
    get fields() {
      steps.count++;
      return schema.fields.map((field) =>
        field.message ? { ...field, message: counting(field.message, steps) } : field
      ) as DescMessage["fields"];
    },
  };
}

/** The message of what `bytes` are refused with, if they are, and how many fields were looked at. */
function look(bytes: Uint8Array): { refusal: string | undefined; steps: number } {
  const steps = { count: 0 };
  let refusal: string | undefined;
  try {
    checkShape(counting(InitWorkspaceRequestSchema, steps), bytes);
  } catch (error) {
    refusal = (error as Error).message;
  }
  return { refusal, steps: steps.count };
}

/** A field of that number around `content`. */
function wrapped(number: number, content: Uint8Array): Uint8Array {
  const head = [number << 3 | 2];
  let length = content.length;
  for (; length > 127; length >>>= 7) head.push(length & 127 | 128);
  return new Uint8Array([...head, length, ...content]);
}

function repeated(unit: readonly number[], bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, n) => unit[n % unit.length]!);
}

const fieldNumber = (schema: DescMessage, name: string) =>
  schema.fields.find((field) => field.name === name)!.number;
const INITIALIZER = fieldNumber(InitWorkspaceRequestSchema, "initializer");
const SPEC = InitWorkspaceRequestSchema.field.initializer.message!;
const COMPOSITE = fieldNumber(SPEC, "composite");

Deno.test("a request of too many fields or too deep ones is refused without a look at all of them", () => {
  const space = DEFAULT_LIMITS.maxMessageBytes - 16;
  const empties = wrapped(INITIALIZER, wrapped(COMPOSITE, repeated([0x0a, 0x00], space)));
  const numbers = repeated([0x78, 0x01], space);
  for (const bytes of [empties, numbers]) {
    const { refusal, steps } = look(bytes);
    assertStringIncludes(refusal ?? "", `must have at most ${MAX_FIELDS} fields`);
    assert(steps <= MAX_FIELDS + 1, `${steps}`);
  }
  let deep = new Uint8Array();
  for (let depth = 0; depth < 100; depth++) {
    deep = new Uint8Array(wrapped(COMPOSITE, wrapped(1, deep)));
  }
  const { refusal, steps } = look(wrapped(INITIALIZER, deep));
  assertStringIncludes(refusal ?? "", `must not nest more than ${MAX_DEPTH} messages`);
  assert(steps <= MAX_DEPTH + 1, `${steps}`);
});

Deno.test("no bytes whatsoever have more fields looked at than a request may have", () => {
  const tags = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 12 });
  const hostile = fc.tuple(tags, fc.integer({ min: 0, max: 200_000 }))
    .map(([unit, length]) => repeated(unit, length));
  fc.assert(
    fc.property(fc.oneof(hostile, fc.uint8Array({ maxLength: 4096 })), (bytes) => {
      assert(look(bytes).steps <= MAX_FIELDS + 1);
    }),
    { numRuns: runs(100, 5_000) },
  );
});

Deno.test("a request as large as any that is taken has few enough fields", () => {
  const files = Array(1000).fill(file({ url: URL.padEnd(1000, "x") }));
  const metadata = { owner: "alice", metaId: "meta" };
  const initializer = { composite: { initializer: [{ download: { files } }, git({})] } };
  const request = initRequestFromJson({ id: "w", metadata, initializer });
  const bytes = toBinary(InitWorkspaceRequestSchema, request);
  assert(checkShape(InitWorkspaceRequestSchema, bytes) < MAX_FIELDS);
  assert(bytes.length < DEFAULT_LIMITS.maxMessageBytes);
});
