import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { ClientError, WorkspaceClient } from "../../src/client/mod.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { testFolder } from "../fixtures/folder.ts";

Deno.test({
  name: "the daemon serves a unix socket and mTLS within its permissions, and SIGHUP renews its " +
    "certificate (needs openssl)",
  ignore: !hasOpenssl,
  async fn() {
    using folder = testFolder();
    const at = (name: string) => join(folder.path, name);
    const { ca, client: own, untrusted } = await makeCertificates(folder.path);
    const files = ["--tls-cert", at("server.pem"), "--tls-key", at("server.key")];
    await using daemon = await DaemonProcess.start({
      args: [
        ...["--root", at("root"), "--metrics-listen", "off"],
        ...["--listen", `unix://${at("api.sock")}`, "--listen", "127.0.0.1:0"],
        ...[...files, "--tls-client-ca", at("ca.pem")],
      ],
      listeners: 2,
    });
    const [unix, tcp] = daemon.addresses;
    using local = new WorkspaceClient({ address: unix! });
    await local.initWorkspace({
      id: "w",
      metadata: { owner: "a", metaId: "m" },
      initializer: { spec: { case: "empty", value: {} } },
    });
    const { groups } = await daemon.logMatching(/init \w{16} of workspace w .* for (?<caller>.*)/);
    assertEquals(groups!.caller, `uid ${Deno.uid()}, pid ${Deno.pid} at unix`);
    const ask = async (identity: { cert: Uint8Array; key: Uint8Array }) => {
      using remote = new WorkspaceClient({ address: tcp!, tls: { ca, ...identity } });
      return await remote.isWorkspaceExists("w", { deadline: 20_000 });
    };
    assert(await ask(own));
    await assertRejects(() => ask(untrusted), ClientError);
    assertEquals(Deno.statSync(at("api.sock")).mode! & 0o777, 0o660);

    await Deno.copyFile(at("renewed.pem"), at("server.pem"));
    const spoilt = await daemon.logged("The old certificates stay", () => hangUp(daemon));
    assertStringIncludes(spoilt, "does not belong");
    assert(await ask(own));
    await Deno.copyFile(at("renewed.key"), at("server.key"));
    const soon = daemon.logged("TLS: the certificate of CN=renewed in tls.cert", () => {});
    await daemon.logged("now in", () => hangUp(daemon));
    assertStringIncludes(await soon, "in 1 days: renew it and send wsdaemon SIGHUP");
    assert(await ask(own));

    await Deno.copyFile(at("expired.pem"), at("server.pem"));
    await Deno.copyFile(at("expired.key"), at("server.key"));
    const expired = await daemon.logged("The old certificates stay", () => hangUp(daemon));
    assertStringIncludes(expired, "CN=expired, expired on");
    assert(await ask(own));
  },
});

function hangUp(daemon: DaemonProcess): void {
  Deno.kill(daemon.pid, "SIGHUP");
}
