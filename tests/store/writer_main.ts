/** Stores blobs in a file store until it is killed, and names each one that was acknowledged. */

import { join } from "@std/path";
import { systemClock } from "../../src/clock.ts";
import { digestOf } from "../../src/digest.ts";
import { FileStore } from "../../src/store/file/file_store.ts";
import { blobKey } from "../../src/store/keys.ts";

const [folder, spoolDir] = Deno.args as [string, string];
const store = await FileStore.open({ folder, spoolDir, clock: systemClock });
const encoder = new TextEncoder();
for (let n = 0;; n++) {
  const bytes = new Uint8Array(300_000).fill(n);
  new DataView(bytes.buffer).setUint32(0, n);
  const digest = digestOf(bytes);
  if (n % 2 === 0) {
    await store.putBlobBytes(digest, bytes);
  } else {
    const path = `blob-${n}`;
    await Deno.writeFile(join(spoolDir, path), bytes);
    await store.putBlob({ digest, size: bytes.length, file: { area: "spool", path } });
  }
  await Deno.stdout.write(encoder.encode(`${blobKey(digest)}\n`));
}
