/**
 * Runs s3rver until its standard input ends, which it does with the process that started it, and
 * takes its folder away then.
 */

import S3rver from "s3rver";

interface Server {
  run(): Promise<{ port: number }>;
  close(): Promise<void>;
}
type ServerClass = new (options: Record<string, unknown>) => Server;

const [directory = "", ...buckets] = Deno.args;
const server = new (S3rver as unknown as ServerClass)({
  address: "127.0.0.1",
  port: 0,
  silent: true,
  directory,
  configureBuckets: buckets.map((name) => ({ name, configs: [] })),
});
const { port } = await server.run();
await Deno.stdout.write(new TextEncoder().encode(`port ${port}\n`));
for await (const _ of Deno.stdin.readable);
await Deno.remove(directory, { recursive: true });
Deno.exit(0);
