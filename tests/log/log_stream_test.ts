import { assert, assertEquals } from "@std/assert";
import { type Destination, LogStream } from "../../src/log/log_stream.ts";

/** Takes lines when the test lets it. */
class Gate implements Destination {
  text = "";
  #open = Promise.withResolvers<void>();
  failure: Error | undefined;
  /** Bytes of one write. */
  most = Infinity;

  async write(bytes: Uint8Array): Promise<number> {
    await this.#open.promise;
    if (this.failure) throw this.failure;
    const taken = bytes.subarray(0, Math.min(this.most, bytes.length));
    this.text += new TextDecoder().decode(taken);
    return taken.length;
  }

  open(): void {
    this.#open.resolve();
  }

  shut(): void {
    this.#open = Promise.withResolvers();
  }
}

function fixture(capacity = 100) {
  const gate = new Gate();
  const counter = new SharedArrayBuffer(4);
  const stream = new LogStream(gate, { capacity });
  stream.countIn(counter);
  stream.onResumed = (dropped) => stream.write(`${dropped} dropped\n`);
  return { gate, stream, dropped: () => new Int32Array(counter)[0] };
}

const LONG = 600_000;

Deno.test("lines are written whole and in order, however little is taken at once", async () => {
  const { gate, stream } = fixture();
  gate.most = 3;
  gate.open();
  for (const line of ["one\n", "two\n", "three\n"]) stream.write(line);
  await stream.flush(LONG);
  assertEquals(gate.text, "one\ntwo\nthree\n");
});

Deno.test("lines that nobody takes are dropped and counted, and said once they are taken again", async () => {
  const { gate, stream, dropped } = fixture(40);
  for (let i = 0; i < 10; i++) stream.write(`line number ${i}\n`);
  assertEquals(dropped(), 8);
  gate.open();
  await stream.flush(LONG);
  assertEquals(gate.text, "line number 0\nline number 1\n8 dropped\n");
  stream.write("after\n");
  await stream.flush(LONG);
  assert(gate.text.endsWith("8 dropped\nafter\n"), gate.text);
  assertEquals(dropped(), 8);
});

Deno.test("a line that is longer than the queue is written where nothing else waits", async () => {
  const { gate, stream } = fixture(10);
  const long = `${"x".repeat(200_000)}\n`;
  gate.open();
  stream.write(long);
  await stream.flush(LONG);
  assertEquals(gate.text, long);
});

Deno.test("lines that cannot be written are dropped and counted, and later ones are tried", async () => {
  const { gate, stream, dropped } = fixture();
  gate.open();
  gate.failure = new Deno.errors.BrokenPipe("nobody reads");
  stream.write("one\n");
  await stream.flush(LONG);
  stream.write("two\n");
  await stream.flush(LONG);
  assertEquals(dropped(), 2);
  gate.failure = undefined;
  stream.write("three\n");
  await stream.flush(LONG);
  assertEquals(gate.text, "three\n2 dropped\n");
});

Deno.test("a destination that is not ready is asked again", async () => {
  const { gate, stream, dropped } = fixture();
  gate.open();
  gate.failure = new Deno.errors.WouldBlock("not ready");
  stream.write("one\n");
  gate.failure = undefined;
  await stream.flush(LONG);
  assertEquals([gate.text, dropped()], ["one\n", 0]);
});

Deno.test("a flush gives up where nobody takes what is queued", async () => {
  const { gate, stream } = fixture();
  stream.write("one\n");
  await stream.flush(1);
  assertEquals(gate.text, "");
  gate.open();
  await stream.flush(LONG);
});
