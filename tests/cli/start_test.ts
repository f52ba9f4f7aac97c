import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { testFolder } from "../support/folder.ts";
import { wsdaemon } from "./support.ts";

interface Mistake {
  name: string;
  /** Flags after `run --metrics-listen off`, given a folder and the address of a busy port. */
  flags(folder: string, busy: string): string[];
  says(folder: string, busy: string): string;
}

const MISTAKES: Mistake[] = [
  {
    name: "its port is occupied",
    flags: (folder, busy) => ["--root", `${folder}/root`, "--listen", busy],
    says: (_folder, busy) => busy,
  },
  {
    name: "its metrics port is occupied",
    flags: (folder, busy) => [
      ...["--root", `${folder}/root`, "--listen", "127.0.0.1:0"],
      ...["--metrics-listen", busy],
    ],
    says: (_folder, busy) => busy,
  },
  {
    name: "its root has no parent",
    flags: (folder) => ["--root", `${folder}/a/b`],
    says: (folder) => `Cannot use ${folder}/a/b as the root: there is no folder ${folder}/a`,
  },
  {
    name: "its root is a file",
    flags: (folder) => ["--root", `${folder}/file`],
    says: (folder) => `Cannot use ${folder}/file as the root: it is there and not a folder`,
  },
  {
    name: "its root cannot be written",
    flags: () => ["--root", "/proc/self/wsdaemon"],
    says: () => "Cannot use /proc/self/wsdaemon as the root",
  },
  {
    name: "its TLS file is missing",
    flags: (folder) => [
      ...["--root", `${folder}/root`, "--tls-cert", `${folder}/no.pem`],
      ...["--tls-key", `${folder}/file`],
    ],
    says: (folder) => `Cannot read ${folder}/no.pem: no such file`,
  },
  {
    name: "its TLS key is not named",
    flags: (folder) => ["--root", `${folder}/root`, "--tls-cert", `${folder}/file`],
    says: () => "--tls-cert: tls.key: expected a path, but it is missing",
  },
  {
    name: "its TLS file is no certificate",
    flags: (folder) => [
      ...["--root", `${folder}/root`, "--tls-cert", `${folder}/file`],
      ...["--tls-key", `${folder}/file`, "--listen", "127.0.0.1:0"],
    ],
    says: (folder) => `tls.cert (${folder}/file) is not usable as PEM`,
  },
  {
    name: "its config file is missing",
    flags: (folder) => ["--config", `${folder}/none.json`],
    says: (folder) => `Cannot read the config file ${folder}/none.json: no such file`,
  },
  {
    name: "it would serve the whole network in the clear",
    flags: (folder) => ["--root", `${folder}/root`, "--listen", "0.0.0.0:0"],
    says: () => "0.0.0.0:0 can be reached from other machines",
  },
  {
    name: "the folder of its unix socket is missing",
    flags: (folder) => ["--root", `${folder}/root`, "--listen", `unix://${folder}/no/x.sock`],
    says: (folder) => `${folder}/no/x.sock`,
  },
];

for (const { name, flags, says } of MISTAKES) {
  Deno.test(`daemon says so in one line and exits 1 when ${name}`, async () => {
    using folder = testFolder();
    Deno.writeTextFileSync(`${folder.path}/file`, "not PEM");
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const busy = `127.0.0.1:${other.addr.port}`;
    const { code, stdout, stderr } = await wsdaemon([
      ...["run", "--metrics-listen", "off", "--log-level", "error"],
      ...flags(folder.path, busy),
    ]);
    assertEquals([code, stdout], [1, ""], stderr);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assertMatch(stderr, /^error: /);
    assertStringIncludes(stderr, says(folder.path, busy));
  });
}

Deno.test("daemon leaves no root behind when its TLS file is missing", async () => {
  using folder = testFolder();
  const root = `${folder.path}/root`;
  const missing = `${folder.path}/no.pem`;
  const { code } = await wsdaemon([
    ...["run", "--root", root, "--tls-cert", missing, "--tls-key", missing],
  ]);
  assertEquals(code, 1);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("second daemon on a root says who holds it, and the first goes on", async () => {
  using folder = testFolder();
  const args = ["--root", folder.path, "--metrics-listen", "off"];
  await using first = await DaemonProcess.start({ args });
  const { code, stderr } = await wsdaemon(["run", ...args, "--listen", "127.0.0.1:0"]);
  assertEquals(code, 1);
  assertStringIncludes(stderr, `the wsdaemon with pid ${first.pid} uses it`);
  const exists = await wsdaemon(["client", "--addr", first.addresses[0]!, "exists", "w"]);
  assertEquals(exists.stdout, "false\n", exists.stderr);
});

Deno.test("daemon stops in an orderly way on SIGTERM and on SIGINT", async () => {
  using folder = testFolder();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    await using daemon = await DaemonProcess.start({
      args: ["--root", folder.path, "--metrics-listen", "off"],
    });
    const { code } = await daemon.end(signal);
    assertEquals(code, 0, daemon.log);
    assertStringIncludes(daemon.log, `stopping on ${signal}`);
  }
});

Deno.test("daemon goes on when it gets SIGHUP", async () => {
  using folder = testFolder();
  await using daemon = await DaemonProcess.start({
    args: ["--root", folder.path, "--metrics-listen", "off"],
  });
  Deno.kill(daemon.pid, "SIGHUP");
  const exists = await wsdaemon(["client", "--addr", daemon.addresses[0]!, "exists", "w"]);
  assertEquals(exists.code, 0, exists.stderr);
  assertEquals((await daemon.end("SIGTERM")).code, 0);
});

Deno.test("daemon logs JSON lines when it is told to", async () => {
  using folder = testFolder();
  await using daemon = await DaemonProcess.start({
    args: ["--root", folder.path, "--metrics-listen", "off", "--log-format", "json"],
  });
  await daemon.end("SIGTERM");
  const records = daemon.log.split("\n").filter((line) => !line.startsWith("listening on "))
    .map((line) => JSON.parse(line));
  assert(records.some(({ message }) => message.includes("stopping on")), daemon.log);
});
