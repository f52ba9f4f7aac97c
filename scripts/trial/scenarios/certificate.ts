/** Certificates that end soon, that end while the daemon runs, and that SIGHUP does not take. */

import { join } from "@std/path";
import { TrialNode } from "../node.ts";
import type { Row } from "../places.ts";
import type { ScenarioContext } from "../scenarios.ts";

const DAY = 86_400_000;

/** Runs openssl, and returns nothing but its success. @throws with what it said */
async function openssl(folder: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args, cwd: folder }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}

/** Makes a certificate of an authority of its own for 127.0.0.1, in `<name>.pem` and `<name>.key`. */
async function certificate(folder: string, name: string, ends: Date): Promise<void> {
  await Deno.mkdir(join(folder, "ca"), { recursive: true });
  await Deno.writeTextFile(join(folder, "ca", "index.txt"), "");
  await Deno.writeTextFile(join(folder, "ca", "serial"), "1000\n");
  await Deno.writeTextFile(
    join(folder, "ca", "ca.conf"),
    [
      "[ca]\ndefault_ca=it",
      `[it]\nnew_certs_dir=${folder}/ca\ndatabase=${folder}/ca/index.txt\nserial=${folder}/ca/serial`,
      "default_md=sha256\npolicy=any\nunique_subject=no\nx509_extensions=names",
      "[any]\ncommonName=supplied",
      "[names]\nsubjectAltName=IP:127.0.0.1,DNS:localhost",
    ].join("\n"),
  );
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`];
  await openssl(folder, "req", ...key, ...files);
  const time = (date: Date) => date.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const from = time(new Date(Math.min(Date.now(), ends.getTime()) - DAY));
  const signer = ["-config", "ca/ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key"];
  const span = ["-startdate", from, "-enddate", time(ends)];
  await openssl(
    folder,
    ...["ca", "-batch", "-notext", ...signer, ...span, "-in", `${name}.csr`],
    ...["-out", `${name}.pem`],
  );
}

async function authority(folder: string): Promise<void> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", "ca.key", "-out", "ca.pem", "-days", "100", "-subj", "/CN=ca"];
  await openssl(folder, "req", "-x509", ...key, ...files);
}

/** Milliseconds from the start of a daemon to the end of its certificate. */
const SOON = 25_000;

/**
 * One node's certificate ends in ten days, and the one that SIGHUP finds instead has expired; another
 * node's ends while it runs. (That an expired one stops a start is a matter of `doctor` and the exit code:
 * there is no page then.) TLS is no matter of the binary of `compile:npm`.
 */
export async function* expiringCertificates({ folder }: ScenarioContext): AsyncGenerator<Row> {
  await Deno.mkdir(folder, { recursive: true });
  await authority(folder);
  const startNode = async (name: string, ends: Date) => {
    await certificate(folder, "node", ends);
    return await TrialNode.start(join(folder, name), {
      config: { tls: { cert: join(folder, "node.pem"), key: join(folder, "node.key") } },
      // Operators on the node use the socket, which needs no certificate.
      listen: [`unix://${join(folder, "api.sock")}`, "127.0.0.1:0"],
    });
  };
  {
    await using node = await startNode("10-days", new Date(Date.now() + 10 * DAY));
    yield await node.look({
      trouble: "a certificate that ends in 10 days",
      id: "cert",
      page: ["CERTIFICATE_EXPIRES", "CN=node", "node.pem"],
      top: ["CERTIFICATE_EXPIRES", "CN=node", "node.pem"],
      also: "status",
      log: { level: "WARN", words: ["CN=node", "node.pem", "expires on"] },
      metric: /^wsdaemon_tls_certificate_expiry_timestamp_seconds{part="cert"} \d+$/m,
      alert: { name: "WsdaemonCertificateExpires", words: ["tls.cert"] },
      remedy: ["WsdaemonCertificateExpires"],
    });
    await certificate(folder, "node", new Date(Date.now() - DAY));
    await node.daemon.logged("The old certificates stay", () => {
      Deno.kill(node.daemon.pid, "SIGHUP");
    });
    const words = ["CERTIFICATE_REFUSED", "node.pem", "expired on"];
    yield await node.look({
      trouble: "SIGHUP finds an expired certificate",
      id: "cert",
      page: words,
      top: words,
      also: "status",
      log: { level: "ERROR", words: ["The old certificates stay", ...words.slice(1)] },
      metric: /^wsdaemon_tls_reload_success 0$/m,
      alert: { name: "WsdaemonCertificateRefused", words: ["SIGHUP"] },
      remedy: ["WsdaemonCertificateRefused"],
    });
  }
  await using node = await startNode("ends", new Date(Date.now() + SOON));
  yield await node.look({
    trouble: "a certificate that ends while in use",
    id: "cert",
    page: ["CERTIFICATE_EXPIRED", "CN=node", "node.pem"],
    top: ["CERTIFICATE_EXPIRED"],
    also: "status",
    log: { level: "ERROR", words: ["CN=node", "node.pem", "expired on"] },
    metric: /^wsdaemon_tls_certificate_expiry_timestamp_seconds{part="cert"} \d+$/m,
    alert: { name: "WsdaemonCertificateExpiresSoon", words: ["tls.cert"] },
    remedy: ["WsdaemonCertificateExpiresSoon"],
  });
}
