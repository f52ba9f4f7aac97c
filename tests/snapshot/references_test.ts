import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { decodeReference, encodeReference } from "../../src/snapshot/references.ts";

const alice = { owner: "alice", metaId: "m" };
const image = { manifest: digestOf("x"), createdAt: 1, contentBytes: 2, files: 3 };

Deno.test("a reference reads back as what was written", () => {
  assertEquals(decodeReference("k", encodeReference(alice, [image])), {
    ...alice,
    images: [image],
  });
});

Deno.test("a reference has the lowest version that its images need, and no other passes", () => {
  const versionOf = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)).version;
  const patched = { ...image, manifest: digestOf("y"), format: 2 as const };
  assertEquals(versionOf(encodeReference(alice, [image])), 1);
  const bytes = encodeReference(alice, [image, patched]);
  assertEquals(versionOf(bytes), 2);
  assertEquals(decodeReference("k", bytes), { ...alice, images: [image, patched] });
  // Whichever way its version is changed, the digest tells.
  for (const [from, to] of [[2, 1], [2, 3]]) {
    const text = new TextDecoder().decode(bytes)
      .replace(`"version":${from}`, `"version":${to}`);
    const error = assertThrows(
      () => decodeReference("refs/k", new TextEncoder().encode(text)),
      DaemonError,
      "refs/k",
    );
    assertEquals(error.code, "DATA_LOSS");
  }
});

Deno.test("a reference of another identity is DATA_LOSS: content never changes hands", () => {
  const bytes = encodeReference(alice, [image]);
  for (const other of [{ owner: "bob", metaId: "m" }, { owner: "alice", metaId: "n" }]) {
    const error = assertThrows(() => decodeReference("k", bytes, other), DaemonError, "belongs to");
    assertEquals(error.code, "DATA_LOSS");
  }
});

Deno.test("bytes that are not a reference are DATA_LOSS naming the key", () => {
  const texts = [
    "",
    "{",
    "null",
    "{}",
    '{"version":2}',
    '{"version":1,"owner":"a","metaId":"b","images":[]}',
  ];
  for (const text of texts) {
    const error = assertThrows(
      () => decodeReference("refs/k", new TextEncoder().encode(text)),
      DaemonError,
      "refs/k",
    );
    assertEquals(error.code, "DATA_LOSS", text);
  }
});

Deno.test("no byte of a reference can change unnoticed", () => {
  const bytes = encodeReference(alice, [image, { ...image, manifest: digestOf("y") }]);
  const before = decodeReference("refs/k", bytes);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 2, 32]) {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ flip;
      let after: unknown;
      try {
        after = decodeReference("refs/k", damaged);
      } catch (error) {
        assertInstanceOf(error, DaemonError);
        assertEquals(error.code, "DATA_LOSS");
        assertStringIncludes(error.message, "refs/k");
        continue;
      }
      assertEquals(after, before, `byte ${at} ^ ${flip}`);
    }
  }
});
