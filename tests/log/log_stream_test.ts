import { assert, assertEquals } from "@std/assert";
import { type Destination, LogStream } from "../../src/log/log_stream.ts";

/** Takes lines when the test lets it. */
class SlowDestination implements Destination {
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
  const destination = new SlowDestination();
  const counter = new SharedArrayBuffer(4);
  const stream = new LogStream(destination, { capacity });
  stream.countIn(counter);
  stream.onResumed = (dropped) => stream.write(`${dropped} dropped\n`);
  return { destination, stream, dropped: () => new Int32Array(counter)[0] };
}

const LONG = 600_000;

Deno.test("lines are written whole and in order, however little is taken at once", async () => {
  const { destination, stream } = fixture();
  destination.most = 3;
  destination.open();
  for (const line of ["one\n", "two\n", "three\n"]) stream.write(line);
  await stream.flush(LONG);
  assertEquals(destination.text, "one\ntwo\nthree\n");
});

Deno.test("lines that nobody takes are dropped and counted, and said once they are taken again", async () => {
  const { destination, stream, dropped } = fixture(40);
  for (let i = 0; i < 10; i++) stream.write(`line number ${i}\n`);
  assertEquals(dropped(), 8);
  destination.open();
  await stream.flush(LONG);
  assertEquals(destination.text, "line number 0\nline number 1\n8 dropped\n");
  stream.write("after\n");
  await stream.flush(LONG);
  assert(destination.text.endsWith("8 dropped\nafter\n"), destination.text);
  assertEquals(dropped(), 8);
});

Deno.test("a line that is longer than the queue is written where nothing else waits", async () => {
  const { destination, stream } = fixture(10);
  const long = `${"x".repeat(200_000)}\n`;
  destination.open();
  stream.write(long);
  await stream.flush(LONG);
  assertEquals(destination.text, long);
});

Deno.test("lines that cannot be written are dropped and counted, and later ones are tried", async () => {
  const { destination, stream, dropped } = fixture();
  destination.open();
  destination.failure = new Deno.errors.BrokenPipe("nobody reads");
  stream.write("one\n");
  await stream.flush(LONG);
  stream.write("two\n");
  await stream.flush(LONG);
  assertEquals(dropped(), 2);
  destination.failure = undefined;
  stream.write("three\n");
  await stream.flush(LONG);
  assertEquals(destination.text, "three\n2 dropped\n");
});

Deno.test("a destination that is not ready is asked again", async () => {
  const { destination, stream, dropped } = fixture();
  destination.open();
  destination.failure = new Deno.errors.WouldBlock("not ready");
  stream.write("one\n");
  destination.failure = undefined;
  await stream.flush(LONG);
  assertEquals([destination.text, dropped()], ["one\n", 0]);
});

Deno.test("a flush gives up where nobody takes what is queued", async () => {
  const { destination, stream } = fixture();
  stream.write("one\n");
  await stream.flush(1);
  assertEquals(destination.text, "");
  destination.open();
  await stream.flush(LONG);
});
