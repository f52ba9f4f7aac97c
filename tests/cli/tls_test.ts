import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { TestServer } from "../rpc/fixture.ts";
import { testFolder } from "../fixtures/folder.ts";
import { inProcess } from "./in_process.ts";

Deno.test({
  name: "client that a daemon with TLS hangs up on says which flag it may want (needs openssl)",
  ignore: !hasOpenssl,
  async fn() {
    using folder = testFolder();
    const { ca, server } = await makeCertificates(folder.path);
    const file = (name: string) => join(folder.path, name);
    await using mutual = await TestServer.start({}, { tls: { ...server, clientCa: ca } });
    const hints: [string[], string][] = [
      [[], "with --tls or --tls-ca"],
      [["--tls-ca", file("ca.pem")], "with --tls-cert and --tls-key"],
      [
        ["--tls-ca", file("ca.pem"), "--tls-cert", file("stranger.pem")]
          .concat("--tls-key", file("stranger.key")),
        "the authority that it trusts",
      ],
    ];
    for (const [flags, hint] of hints) {
      const address = ["--addr", mutual.address()];
      const { code, stderr } = await inProcess("client", ...address, ...flags, "exists", "w");
      assertEquals(code, 1);
      assertStringIncludes(stderr, hint);
    }
    const { stderr } = await inProcess("client", "--addr", "127.0.0.1:1", "exists", "w");
    assertStringIncludes(stderr, "see that it runs there");
  },
});
