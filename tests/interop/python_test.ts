/** The server and gRPC's C core, through Python (Debian's `python3-grpcio`). */

import { fromFileUrl } from "@std/path";
import { hasOpenssl, succeeds } from "../rpc/certificates.ts";
import { temporaryFolder } from "../rpc/fixture.ts";
import { describeMessages, runClient, type Seen, speaksInTheClear, speaksTls } from "./fixture.ts";

/** Debian's, since the packages are; another `python3` may stand before it on the PATH. */
const PYTHON = "/usr/bin/python3";

const missing = [
  ...(await succeeds(PYTHON, ["-c", "import grpc, google.protobuf"]) ? [] : ["python3-grpcio"]),
  ...(hasOpenssl ? [] : ["openssl"]),
];
const note = missing.length > 0 ? ` (ignored: there is no ${missing.join(", ")})` : "";

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
