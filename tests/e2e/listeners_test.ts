import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { ClientError, type ClientTls, WorkspaceClient } from "../../src/client/mod.ts";
import { OperationKind } from "../../src/wire/mod.ts";
import { inProcess } from "../cli/in_process.ts";
import { hasOpenssl, makeCertificates } from "../rpc/certificates.ts";
import { testFolder } from "../fixtures/folder.ts";

Deno.test({
  name: "the daemon serves a unix socket and mTLS within its permissions, and SIGHUP renews its " +
    "certificate, and operators' calls have listeners of their own (needs openssl)",
  ignore: !hasOpenssl,
  async fn() {
    using folder = testFolder();
    const at = (name: string) => join(folder.path, name);
    const { ca, client, untrusted } = await makeCertificates(folder.path);
    const files = ["--tls-cert", at("server.pem"), "--tls-key", at("server.key")];
    await using daemon = await DaemonProcess.start({
      args: [
        ...["--root", at("root"), "--metrics-listen", "off"],
        ...["--listen", `unix://${at("api.sock")}`, "--listen", "127.0.0.1:0"],
        ...["--operations-listen", `unix://${at("operations.sock")}`, "127.0.0.1:0"],
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
    const identity = `uid ${Deno.uid()}, pid ${Deno.pid}`;
    assertEquals(groups!.caller, `${identity} at unix`);
    const [, own] = /^listening on (127\S+) for operators' calls alone$/m.exec(daemon.log)!;
    using operators = new WorkspaceClient({ address: `unix://${at("operations.sock")}` });
    const { operations } = await operators.operations.call("listOperations", {});
    const init = operations.find(({ kind }) => kind === OperationKind.INIT);
    assertEquals([init?.caller?.peer, init?.caller?.identity], ["unix", identity]);
    const { code, stderr } = await inProcess("ls", "--addr", unix!);
    assertEquals(code, 1);
    assertMatch(stderr, /^error: UNIMPLEMENTED: .*operations\.listen.* --addr/);
    const list = async (tls: ClientTls) => {
      using remote = new WorkspaceClient({ address: own!, tls: { ca, ...tls } });
      return (await remote.operations.call("listOperations", {})).operations.length;
    };
    assert(await list(client) > 0);
    await assertRejects(() => list(untrusted), ClientError);
    const ask = async (identity: { cert: Uint8Array; key: Uint8Array }) => {
      using remote = new WorkspaceClient({ address: tcp!, tls: { ca, ...identity } });
      return await remote.isWorkspaceExists("w", { deadline: 20_000 });
    };
    assert(await ask(client));
    await assertRejects(() => ask(untrusted), ClientError);
    for (const name of ["api.sock", "operations.sock"]) {
      assertEquals(Deno.statSync(at(name)).mode! & 0o777, 0o660);
    }

    await Deno.copyFile(at("renewed.pem"), at("server.pem"));
    const spoilt = await daemon.logged("The old certificates stay", () => hangUp(daemon));
    assertStringIncludes(spoilt, "does not belong");
    assert(await ask(client));
    await Deno.copyFile(at("renewed.key"), at("server.key"));
    const soon = daemon.logged("TLS: the certificate of CN=renewed in tls.cert", () => {});
    await daemon.logged("now in", () => hangUp(daemon));
    assertStringIncludes(await soon, "in 1 days: renew it and send wsdaemon SIGHUP");
    assert(await ask(client));

    await Deno.copyFile(at("expired.pem"), at("server.pem"));
    await Deno.copyFile(at("expired.key"), at("server.key"));
    const expired = await daemon.logged("The old certificates stay", () => hangUp(daemon));
    assertStringIncludes(expired, "CN=expired, expired on");
    assert(await ask(client));
  },
});

function hangUp(daemon: DaemonProcess): void {
  Deno.kill(daemon.pid, "SIGHUP");
}
