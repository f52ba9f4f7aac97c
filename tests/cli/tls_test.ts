import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { TestServer } from "../rpc/fixture.ts";
import { testFolder } from "../fixtures/folder.ts";
import { inProcess } from "./in_process.ts";

Deno.test({
  name: "client names what is wrong with TLS, and which flag it wants (needs openssl)",
  ignore: !hasOpenssl,
  async fn() {
    using folder = testFolder();
    const { ca, server } = await makeCertificates(folder.path);
    await using plain = await TestServer.start({});
    await using web = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("metrics"),
    );
    const file = (name: string) => join(folder.path, name);
    await using mutual = await TestServer.start({}, { tls: { ...server, clientCa: ca } });
    const trusting = ["--tls-ca", file("ca.pem")];
    const own = (
      cert: string,
      key: string,
    ) => [...trusting, "--tls-cert", file(`${cert}.pem`), "--tls-key", file(`${key}.key`)];
    const hints: [string, string[], string][] = [
      [mutual.address(), [], "it serves TLS; connect with --tls or --tls-ca"],
      [mutual.address(), trusting, "it wants a client's certificate; show one that it trusts with"],
      [mutual.address(), own("untrusted", "untrusted"), "from the authority that it trusts"],
      [
        mutual.address(),
        own("client", "untrusted"),
        "does not belong to the certificate --tls-cert",
      ],
      [mutual.address(), own("expired", "expired"), "CN=expired, expired on"],
      [mutual.address(), ["--tls"], "from an authority that is not trusted here; name the"],
      [
        mutual.address(),
        [...own("client", "client"), "--tls-server-name", "node7"],
        "another name",
      ],
      [plain.address(), trusting, "it does not speak TLS; leave the --tls flags out"],
      [`127.0.0.1:${web.addr.port}`, [], "that is no gRPC server: check the port"],
    ];
    for (const [address, flags, hint] of hints) {
      const { code, stderr } = await inProcess(
        ...["client", "--addr", address, ...flags, "exists", "w"],
      );
      assertEquals(code, 1);
      assertStringIncludes(stderr, hint);
    }
    const { stderr } = await inProcess("client", "--addr", "127.0.0.1:1", "exists", "w");
    assertStringIncludes(stderr, "see that it runs there");
  },
});
