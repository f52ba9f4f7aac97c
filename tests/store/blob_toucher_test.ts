import { assertEquals, assertRejects } from "@std/assert";
import type { Clock } from "../../src/clock.ts";
import { digestOf } from "../../src/digest.ts";
import { DaemonError } from "../../src/errors.ts";
import { blobKey } from "../../src/store/keys.ts";
import { encodeLease, shortName } from "../../src/store/lease.ts";
import { BlobToucher } from "../../src/store/s3/blob_toucher.ts";
import type { Head } from "../../src/store/s3/head.ts";
import { DEFAULT_TUNING } from "../../src/store/s3/options.ts";

const DIGEST = digestOf("blob");
const SIZE = 4;
const HOUR_MS = 3600_000;
const NOW = 1_700_000_000_000;
const OLD = NOW - 13 * HOUR_MS;
const YOUNG = NOW - 11 * HOUR_MS;

/** A store of one blob, in memory, and a record of what was done to it. */
class OneBlob {
  head: Head | undefined;
  lease: Uint8Array | undefined;
  copyError: Error | undefined;
  /** What a copy sets the blob's age to. */
  copiedAt = NOW;
  /** What happens while a waiting writer sleeps. */
  onSleep: () => void = () => {};
  readonly did: string[] = [];
  readonly toucher: BlobToucher;

  constructor(head?: Head) {
    this.head = head;
    const clock: Clock = {
      now: () => NOW,
      monotonic: () => NOW,
      sleep: () => {
        this.did.push("wait");
        return Promise.resolve(this.onSleep());
      },
    };
    this.toucher = new BlobToucher({
      clock,
      now: () => NOW,
      tuning: DEFAULT_TUNING,
      request: <T>() => Promise.resolve(this.#copy() as T),
    }, {
      target: (Key) => ({ Bucket: "b", Key, ContentType: "application/octet-stream" }),
      head: (key) => {
        assertEquals(key, blobKey(DIGEST));
        return Promise.resolve(this.head);
      },
      readLease: () => Promise.resolve(this.lease),
    });
  }

  #copy(): unknown {
    this.did.push("copy");
    if (this.copyError) throw this.copyError;
    this.head = { ...this.head!, modified: this.copiedAt };
    return {};
  }

  condemn(): void {
    const expiresAt = NOW + HOUR_MS;
    this.lease = encodeLease({ holder: "h", expiresAt, condemned: [shortName(DIGEST)] });
  }

  touch(size = SIZE): Promise<boolean> {
    return this.toucher.touch(DIGEST, size, {});
  }

  /** @param onSent what becomes of the blob right after it was sent */
  ensure(onSent: () => void = () => {}): Promise<boolean> {
    return this.toucher.ensure(DIGEST, SIZE, () => {
      this.did.push("send");
      this.head = { size: SIZE, modified: NOW };
      onSent();
      return Promise.resolve();
    }, {});
  }
}

function refusal(status: number, name: string): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } });
}

Deno.test("a young blob is neither copied nor sent", async () => {
  const store = new OneBlob({ size: SIZE, modified: YOUNG });
  assertEquals(await store.touch(), true);
  assertEquals(await store.ensure(), false);
  assertEquals(store.did, []);
});

Deno.test("an old blob is touched by a copy onto itself", async () => {
  const store = new OneBlob({ size: SIZE, modified: OLD });
  assertEquals(await store.touch(), true);
  assertEquals(store.did, ["copy"]);
  assertEquals(await store.ensure(), false);
  assertEquals(store.did, ["copy"]);
});

Deno.test("a missing blob, or one of another size, is sent and not copied", async () => {
  for (const head of [undefined, { size: SIZE - 1, modified: OLD }]) {
    const store = new OneBlob(head);
    assertEquals(await store.touch(), false);
    assertEquals(await store.ensure(), true);
    assertEquals(store.did, ["send"]);
  }
});

Deno.test("an old blob is sent again where the server does not copy", async () => {
  const refusals = [
    refusal(501, "NotImplemented"),
    refusal(403, "AccessDenied"),
    refusal(404, "NoSuchKey"),
  ];
  for (const error of refusals) {
    const store = new OneBlob({ size: SIZE, modified: OLD });
    store.copyError = error;
    assertEquals(await store.touch(), false);
    assertEquals(await store.ensure(), true);
    assertEquals(store.did, ["copy", "copy", "send"]);
  }
});

Deno.test("a copy that fails for another reason fails the touch", async () => {
  const store = new OneBlob({ size: SIZE, modified: OLD });
  store.copyError = refusal(500, "InternalError");
  await assertRejects(() => store.touch(), Error, "InternalError");
});

Deno.test("an object too large for one copy is sent again", async () => {
  const size = 5 * 2 ** 30 + 1;
  const store = new OneBlob({ size, modified: OLD });
  assertEquals(await store.touch(size), false);
  assertEquals(store.did, []);
});

Deno.test("a copy that leaves the blob as old as before is no touch, one that makes it younger is", async () => {
  const store = new OneBlob({ size: SIZE, modified: OLD });
  store.copiedAt = OLD;
  assertEquals(await store.touch(), false);
  // The store's clock may be far behind: what counts is that the age moved.
  store.copiedAt = OLD + 1;
  assertEquals(await store.touch(), true);
});

Deno.test("a writer whose old blob is condemned waits, and sees that it was deleted", async () => {
  const store = new OneBlob({ size: SIZE, modified: OLD });
  store.condemn();
  store.onSleep = () => {
    store.lease = undefined;
    store.head = undefined;
  };
  assertEquals(await store.ensure(), true);
  assertEquals(store.did, ["copy", "wait", "send"]);
});

Deno.test("a blob sent in place of an old one is sent again if a deletion hits it", async () => {
  const store = new OneBlob({ size: SIZE, modified: OLD });
  store.copyError = refusal(501, "NotImplemented");
  let deletions = 1;
  const sent = store.ensure(() => {
    if (deletions-- > 0) store.head = undefined;
  });
  assertEquals(await sent, true);
  assertEquals(store.did, ["copy", "send", "send"]);
});

Deno.test("a blob that is gone each time after it was sent is UNAVAILABLE", async () => {
  const store = new OneBlob({ size: SIZE, modified: OLD });
  store.copyError = refusal(501, "NotImplemented");
  const sending = store.ensure(() => store.head = { size: SIZE - 1, modified: OLD });
  const error = await assertRejects(() => sending, DaemonError);
  assertEquals(error.code, "UNAVAILABLE");
  assertEquals(store.did.filter((one) => one === "send").length, 5);
});
