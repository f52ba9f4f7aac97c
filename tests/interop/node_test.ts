/** The server and Node's own grpc-js, in a Node process. */

import { fromFileUrl, join } from "@std/path";
import { protoFolders } from "../../src/program_files.ts";
import config from "../../deno.json" with { type: "json" };
import { hasOpenssl, succeeds } from "../rpc/certificates.ts";
import { temporaryFolder } from "../rpc/fixture.ts";
import { protoFolder, runClient, type Seen, speaksInTheClear, speaksTls } from "./fixture.ts";

const missing = [
  ...(await succeeds("node", ["--version"]) ? [] : ["node"]),
  ...(await succeeds("npm", ["--version"]) ? [] : ["npm"]),
  ...(hasOpenssl ? [] : ["openssl"]),
];
const note = missing.length > 0 ? ` (ignored: there is no ${missing.join(", ")})` : "";

/** Installs the client's packages, the same version as ours, where Node can find them. */
async function installClient(folder: string): Promise<(options: Seen) => Promise<Seen>> {
  const grpc = config.imports["@grpc/grpc-js"].slice("npm:".length);
  const args = ["install", "--prefix", folder, "--prefer-offline", "--ignore-scripts"];
  const quiet = ["--no-audit", "--no-fund", "--no-save", "--loglevel=error"];
  const install = new Deno.Command("npm", {
    args: [...args, ...quiet, grpc, "@grpc/proto-loader@0.8.1"],
    cwd: folder,
  });
  const { success, stderr } = await install.output();
  if (!success) throw new Error(`npm install failed: ${new TextDecoder().decode(stderr)}`);
  const [healthProto, reflectionProto] = protoFolders();
  const program = fromFileUrl(new URL("node_client.cjs", import.meta.url));
  const known = { modules: join(folder), proto: protoFolder, healthProto, reflectionProto };
  return (options) => runClient(["node", "--no-deprecation", program], { ...known, ...options });
}

Deno.test({
  name: `a client of Node's grpc-js gets every answer, over TCP, unix socket, TLS and mTLS${note}`,
  ignore: missing.length > 0,
  fn: async (t) => {
    await using folder = await temporaryFolder();
    const client = await installClient(folder.path);
    await t.step("in the clear", () => speaksInTheClear(client));
    await t.step("over TLS and mTLS", () => speaksTls(client));
  },
});
