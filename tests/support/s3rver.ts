/** An S3 server of its own process: `npm:s3rver`, with its data in a temporary folder. */

import { fromFileUrl } from "@std/path";

/** What s3rver accepts out of the box. */
export const S3_KEYS = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };
export const BUCKET = "wsdaemon";
export const OTHER_BUCKET = "archives";

export interface S3Server {
  host: string;
  port: number;
  endpoint: string;
  [Symbol.asyncDispose](): Promise<void>;
  /** Where it keeps the objects: `<folder>/<bucket>/<key>._S3rver_object`. */
  folder: string;
}

/** Starts a server; it is gone with the scope. */
export async function startS3(): Promise<S3Server> {
  const folder = await Deno.makeTempDir({ prefix: "wsdaemon-s3-" });
  const script = fromFileUrl(new URL("./s3rver_main.ts", import.meta.url));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", script, folder, BUCKET, OTHER_BUCKET],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const port = await readPort(child.stdout);
  return {
    host: "127.0.0.1",
    port,
    endpoint: `http://127.0.0.1:${port}`,
    folder,
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
    },
  };
}

async function readPort(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream() as TransformStream)) {
    text += chunk;
    const match = /^port (\d+)$/m.exec(text);
    if (match) return Number(match[1]);
  }
  throw new Error(`s3rver did not start: ${text}`);
}
