/** The manifests for Kubernetes fit the daemon; `deno task kubernetes` checks them by the API's schemas. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parseConfig } from "../../src/config/file.ts";
import { conflicts } from "../../src/config/mod.ts";
import { configOf } from "../process/fixture.ts";

const FOLDER = fromFileUrl(new URL("../../scripts/kubernetes", import.meta.url));
const OVERLAYS = [...Deno.readDirSync(join(FOLDER, "overlays"))].map(({ name }) => name);
const read = (path: string) => Deno.readTextFileSync(join(FOLDER, path));

const DAEMON_SET = read("base/daemon-set.yaml");

function overlayConfig(overlay: string) {
  const { values } = parseConfig(read(`overlays/${overlay}/config.json`), overlay);
  const config = configOf(values);
  assertEquals(conflicts(config), []);
  return config;
}

Deno.test("each overlay has a config that the daemon takes, and whose files and ports the pods have", () => {
  assertEquals(OVERLAYS.sort(), ["s3", "single-node"]);
  for (const overlay of OVERLAYS) {
    const config = overlayConfig(overlay);
    assert(DAEMON_SET.includes(`mountPath: ${config.root}\n`));
    const ports = [...config.listen, config.metrics.listen!].map((at) => at.split(":").at(-1));
    const listed = [...DAEMON_SET.matchAll(/containerPort: (\d+)/g)].map(([, port]) => port);
    assertEquals(ports, listed);
    assert(DAEMON_SET.includes(`prometheus.io/port: "${listed[1]}"`));
    const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(DAEMON_SET)![1]);
    assert(grace > config.shutdown.grace / 1000, "the kubelet kills before shutdown.grace is over");
    assert(config.tls?.clientCa !== undefined, "anybody may call");
    assert(config.init.inPlace);
  }
});

Deno.test("every file that a config names lies in a volume of the pods", () => {
  const patch = read("overlays/s3/credentials.yaml");
  for (const overlay of OVERLAYS) {
    const { tls, storage } = overlayConfig(overlay);
    const manifests = overlay === "s3" ? DAEMON_SET + patch : DAEMON_SET;
    const mounts = [...manifests.matchAll(/mountPath: (\S+)/g)].map(([, path]) => `${path}/`);
    const files = [tls!.cert, tls!.key, tls!.clientCa!];
    if (storage.kind === "s3") files.push(storage.credentialsFile!);
    for (const file of files) assert(mounts.some((mount) => file.startsWith(mount)), file);
  }
});

Deno.test("the manifests name the image of this version", () => {
  const { version } = JSON.parse(Deno.readTextFileSync(join(FOLDER, "../../deno.json")));
  for (const path of ["base/kustomization.yaml", "overlays/s3/kustomization.yaml"]) {
    const tags = [...read(path).matchAll(/newTag: (\S+)/g)].map(([, tag]) => tag);
    assertEquals(tags, [version], path);
  }
});

Deno.test("the daemon's pods have the capabilities of the unit, and no account of the cluster", () => {
  const unit = Deno.readTextFileSync(join(FOLDER, "../wsdaemon.service"));
  const bounding = /^CapabilityBoundingSet=(.*)$/m.exec(unit)![1]!.split(" ");
  const added = [...DAEMON_SET.matchAll(/^ +- ([A-Z_]+)$/gm)].map(([, name]) => `CAP_${name}`);
  assertEquals(added, bounding);
  assert(DAEMON_SET.includes("automountServiceAccountToken: false"));
  assert(DAEMON_SET.includes("mountPropagation: HostToContainer"));
});
