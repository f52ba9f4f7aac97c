import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { zstdDecompressSync } from "node:zlib";
import { type Context, FrameCompressor, openContext } from "../../src/archive/frame_compressor.ts";

const MIB = 1 << 20;

/** Bytes that cannot be compressed. */
function noise(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) {
    crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, length)));
  }
  return bytes;
}

function text(length: number): Uint8Array {
  const words = Array.from({ length: 5000 }, (_, n) => `word${n * n % 977}`).join(" ");
  return new TextEncoder().encode(words.repeat(Math.ceil(length / words.length)).slice(0, length));
}

const CONTENTS = [
  text(MIB),
  new Uint8Array(0),
  noise(MIB),
  text(1),
  new Uint8Array(MIB),
  Uint8Array.from([...noise(1000), ...text(100_000), ...noise(200_000)]),
  text(MIB - 1),
  noise(3),
];

Deno.test("each frame is whole, whatever was compressed before it, and with or without a context", () => {
  const [shared, alone] = [new FrameCompressor(), new FrameCompressor(() => undefined)];
  for (const content of [...CONTENTS, ...CONTENTS.toReversed()]) {
    const frame = shared.compress(content).slice();
    assertEquals(Buffer.compare(zstdDecompressSync(frame), content), 0);
    assertEquals(Buffer.compare(frame, alone.compress(content)), 0);
    assert(frame.length <= content.length + 64);
  }
});

Deno.test("frames share a context in this version of Deno", () => {
  // Where this fails, packing takes more time, and nothing else is wrong.
  assert(new FrameCompressor().isShared);
});

Deno.test("a context that does not do what is expected is not used", () => {
  const behind = (writeSync: (left: Uint32Array) => void): Context => {
    const left = new Uint32Array(2);
    return { _writeState: left, _handle: { reset() {}, writeSync: () => writeSync(left) } };
  };
  const contexts = [
    behind((left) => left.set([10, 0])),
    behind((left) => left.set([0, 0])),
    behind((left) => left.set([5, 3])),
    behind(() => {}),
    behind(() => {
      throw new TypeError("expected typed ArrayBufferView");
    }),
    {} as Context,
  ];
  for (const context of contexts) {
    const compressor = new FrameCompressor(() => context);
    assert(!compressor.isShared);
    assertEquals(
      Buffer.compare(zstdDecompressSync(compressor.compress(CONTENTS[0]!)), CONTENTS[0]!),
      0,
    );
  }
});

Deno.test("a frame that a context does not finish is compressed without it", () => {
  let calls = 0;
  const { _handle: real, _writeState } = openContext();
  const compressor = new FrameCompressor(() => ({
    _writeState,
    _handle: {
      reset: () => real.reset(),
      writeSync(...args) {
        // The samples are the first.
        if (calls++ < 5) real.writeSync(...args);
      },
    },
  }));
  assert(compressor.isShared);
  const frame = compressor.compress(CONTENTS[5]!);
  assertEquals(Buffer.compare(zstdDecompressSync(frame), CONTENTS[5]!), 0);
});
