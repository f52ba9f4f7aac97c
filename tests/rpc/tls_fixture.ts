/** What the tests of TLS share: certificates for each, a server that uses them, and clients. */

import { ClientError, type ClientTls } from "../../src/client/mod.ts";
import type { TlsMaterial } from "../../src/rpc/tls.ts";
import { type Certificates, hasOpenssl, makeCertificates } from "./certificates.ts";
import { temporaryFolder, TestServer } from "./fixture.ts";

/** Registers a test with certificates of its own; ignored where there is no openssl. */
export function tlsTest(name: string, run: (certificates: Certificates) => Promise<void>): void {
  Deno.test({
    name: hasOpenssl ? name : `${name} (ignored: there is no openssl)`,
    ignore: !hasOpenssl,
    fn: async () => {
      await using folder = await temporaryFolder();
      await run(await makeCertificates(folder.path));
    },
  });
}

/** Serves the API with TLS; every workspace exists. */
export function serve(tls: TlsMaterial, listen = ["127.0.0.1:0"]): Promise<TestServer> {
  return TestServer.start({ exists: () => true }, { tls, listen });
}

/** Whether a client gets an answer; where not, it must be for want of a connection. */
export async function answers(server: TestServer, tls?: ClientTls): Promise<boolean> {
  using client = server.client(tls);
  try {
    return await client.isWorkspaceExists("a", { deadline: 5000 });
  } catch (error) {
    if (error instanceof ClientError && error.code === "UNAVAILABLE") return false;
    throw error;
  }
}
