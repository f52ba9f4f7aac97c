import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { testFolder } from "../fixtures/folder.ts";
import { inProcess } from "./in_process.ts";
import { wsdaemon } from "./fixture.ts";

interface Mistake {
  name: string;
  /** Flags after `run --metrics-listen off`, given a folder and the address of a busy port. */
  flags(folder: string, busy: string): string[];
  says(folder: string, busy: string): string;
  /** The exit code; 1 unless given. */
  exits?: 78;
  /** Only what the daemon's Workers do brings it up; what they log is not the test's to see. */
  byWorkers?: true;
}

const MISTAKES: Mistake[] = [
  {
    name: "its port is occupied",
    flags: (folder, busy) => ["--root", `${folder}/root`, "--listen", busy],
    says: (_folder, busy) => busy,
    byWorkers: true,
  },
  {
    name: "its metrics port is occupied",
    flags: (folder, busy) => [
      ...["--root", `${folder}/root`, "--listen", "127.0.0.1:0"],
      ...["--metrics-listen", busy],
    ],
    says: (_folder, busy) => busy,
    byWorkers: true,
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
    name: "its root is where Deno lets no Worker",
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
    exits: 78,
  },
  {
    name: "its TLS file is no certificate",
    flags: (folder) => [
      ...["--root", `${folder}/root`, "--tls-cert", `${folder}/file`],
      ...["--tls-key", `${folder}/file`, "--listen", "127.0.0.1:0"],
    ],
    says: (folder) => `tls.cert (${folder}/file) is not PEM`,
    byWorkers: true,
  },
  {
    name: "its config file is missing",
    flags: (folder) => ["--config", `${folder}/none.json`],
    says: (folder) => `Cannot read the config file ${folder}/none.json: no such file`,
    exits: 78,
  },
  {
    name: "it would serve the whole network in the clear",
    flags: (folder) => ["--root", `${folder}/root`, "--listen", "0.0.0.0:0"],
    says: () => "0.0.0.0:0 can be reached from other machines",
    exits: 78,
  },
  {
    name: "the folder of its unix socket is missing",
    flags: (folder) => ["--root", `${folder}/root`, "--listen", `unix://${folder}/no/x.sock`],
    says: (folder) => `${folder}/no/x.sock`,
    byWorkers: true,
  },
];

for (const { name, flags, says, exits = 1, byWorkers } of MISTAKES) {
  Deno.test(`daemon says so in one line and exits ${exits} when ${name}`, async () => {
    using folder = testFolder();
    Deno.writeTextFileSync(`${folder.path}/file`, "not PEM");
    using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const busy = `127.0.0.1:${other.addr.port}`;
    const args = ["run", "--metrics-listen", "off", "--log-level", "error"]
      .concat(flags(folder.path, busy));
    const { code, stdout, stderr } = await (byWorkers ? wsdaemon(args) : inProcess(...args));
    assertEquals([code, stdout], [exits, ""], stderr);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    assertMatch(stderr, /^error: /);
    assertStringIncludes(stderr, says(folder.path, busy));
  });
}

Deno.test("daemon leaves no root behind when its TLS file is missing", async () => {
  using folder = testFolder();
  const root = `${folder.path}/root`;
  const missing = `${folder.path}/no.pem`;
  const { code } = await inProcess(
    ...["run", "--root", root, "--tls-cert", missing, "--tls-key", missing],
  );
  assertEquals(code, 1);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("daemon goes on when another wants its root, and on SIGHUP, and stops on SIGINT", async (t) => {
  using folder = testFolder();
  const args = ["--root", folder.path, "--metrics-listen", "off"];
  await using daemon = await DaemonProcess.start({ args });
  const assertServes = async () => {
    const address = ["--addr", daemon.addresses[0]!];
    const { stdout, stderr } = await inProcess("client", ...address, "exists", "w");
    assertEquals(stdout, "false\n", stderr);
  };
  await t.step("a second daemon on the root says who holds it", async () => {
    const { code, stderr } = await inProcess("run", ...args, "--listen", "127.0.0.1:0");
    assertEquals(code, 1);
    assertStringIncludes(stderr, `the wsdaemon with pid ${daemon.pid} uses it`);
    await assertServes();
  });
  await t.step("SIGHUP ends nothing", async () => {
    await daemon.logged("There are no certificates", () => Deno.kill(daemon.pid, "SIGHUP"));
    await assertServes();
  });
  await t.step("SIGINT is an orderly stop", () => assertStops(daemon, "SIGINT"));
});

Deno.test("daemon whose log is JSON writes nothing else, and stops in an orderly way on SIGTERM", async () => {
  using folder = testFolder();
  await using daemon = await DaemonProcess.start({
    args: ["--root", folder.path, "--metrics-listen", "off", "--log-format", "json"],
  });
  const [address] = daemon.addresses;
  await assertStops(daemon, "SIGTERM");
  const records = daemon.log.split("\n").map((line) => JSON.parse(line));
  const [listening] = records.filter(({ message }) => message === `listening on ${address}`);
  assertEquals([listening?.level, listening?.logger], ["INFO", "wsdaemon.process"]);
  assert(records.some(({ message }) => message.includes("stopping on")), daemon.log);

  const { code, stderr } = await wsdaemon(
    ["run", "--root", `${folder.path}/a/b`, "--log-format", "json"],
  );
  assertEquals(code, 1);
  const [failure] = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(failure.level, "FATAL");
  assertStringIncludes(failure.message, `there is no folder ${folder.path}/a`);
});

Deno.test("SIGHUP changes level and format of the log, and keeps them where the config is broken", async () => {
  using folder = testFolder();
  const file = `${folder.path}/config.json`;
  const configure = (config: unknown) => Deno.writeTextFileSync(file, JSON.stringify(config));
  const metrics = { listen: "off" };
  configure({ metrics });
  await using daemon = await DaemonProcess.start({
    args: ["--root", `${folder.path}/root`, "--config", file],
    env: { WSDAEMON_ROOOT: "mistyped" },
  });
  const hangUp = () => Deno.kill(daemon.pid, "SIGHUP");
  configure({ metrics, log: { level: "debug", format: "json" } });
  const warned = daemon.logged("WSDAEMON_ROOOT is not a setting", () => {});
  const line = await daemon.logged("From here on records of", hangUp);
  await warned;
  assertEquals(JSON.parse(line).level, "INFO");
  const call = daemon.logged("IsWorkspaceExists", () => {});
  await inProcess("client", "--addr", daemon.addresses[0]!, "exists", "w");
  assertEquals(JSON.parse(await call).level, "DEBUG");

  configure({ metrics, log: { level: "loud" } });
  const broken = await daemon.logged("since the config cannot be used", hangUp);
  assertStringIncludes(broken, "log.level: expected one of");
  configure({ metrics, log: { level: "info" }, git: { timeout: "1m" } });
  const changed = await daemon.logged("takes effect at the next start", hangUp);
  assertStringIncludes(changed, "What is new in git of the config");
  assertMatch(await daemon.logged("From here on records of", hangUp), /^\d{4}-.*\[INF\]/);
});

async function assertStops(daemon: DaemonProcess, signal: Deno.Signal): Promise<void> {
  const { code } = await daemon.end(signal);
  assertEquals(code, 0, daemon.log);
  assertMatch(daemon.log, new RegExp(`stopping on .*${signal}`));
}
