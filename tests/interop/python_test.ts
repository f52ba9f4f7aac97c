/** The server and gRPC's C core, through Python (Debian's `python3-grpcio`). */

import { fromFileUrl, join } from "@std/path";
import config from "../../deno.json" with { type: "json" };
import { hasOpenssl, succeeds } from "../rpc/certificates.ts";
import { temporaryFolder } from "../rpc/fixture.ts";
import { protoFolder, runClient, type Seen, speaksInTheClear, speaksTls } from "./fixture.ts";

/** Debian's, since the packages are; another `python3` may stand before it on the PATH. */
const PYTHON = "/usr/bin/python3";

const missing = [
  ...(await succeeds(PYTHON, ["-c", "import grpc, google.protobuf"]) ? [] : ["python3-grpcio"]),
  ...(hasOpenssl ? [] : ["openssl"]),
];
const note = missing.length > 0 ? ` (ignored: there is no ${missing.join(", ")})` : "";

/** Has buf, not our generated code, say what the messages are. */
async function describeMessages(folder: string): Promise<string> {
  const descriptors = join(folder, "descriptors.binpb");
  const health = join(protoFolderOfHealth(), "health/v1/health.proto");
  const sources = join(folder, "proto");
  await copy(join(protoFolder, "daemon.proto"), join(sources, "daemon.proto"));
  const initializer = "content-service-api/initializer.proto";
  await copy(join(protoFolder, initializer), join(sources, initializer));
  for (const name of ["status", "error_details"]) {
    const file = `google/rpc/${name}.proto`;
    await copy(join(protoFolder, file), join(sources, file));
  }
  await copy(health, join(sources, "health.proto"));
  const args = ["run", "-A", "--no-prompt", "--quiet", config.imports["@bufbuild/buf"]];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "build", sources, "-o", descriptors],
    env: { BUF_CACHE_DIR: join(folder, "cache") },
  }).output();
  if (!success) throw new Error(`buf failed: ${new TextDecoder().decode(stderr)}`);
  return descriptors;
}

function protoFolderOfHealth(): string {
  return fromFileUrl(new URL("../../proto", import.meta.resolve("grpc-health-check")));
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(join(to, ".."), { recursive: true });
  await Deno.copyFile(from, to);
}

Deno.test({
  name: `a client of gRPC's C core gets every answer, over TCP, unix socket, TLS and mTLS${note}`,
  ignore: missing.length > 0,
  fn: async (t) => {
    await using folder = await temporaryFolder();
    const descriptors = await describeMessages(folder.path);
    const program = fromFileUrl(new URL("python_client.py", import.meta.url));
    const client = (options: Seen) => runClient([PYTHON, program], { descriptors, ...options });
    await t.step("in the clear", () => speaksInTheClear(client));
    await t.step("over TLS and mTLS", () => speaksTls(client));
  },
});
