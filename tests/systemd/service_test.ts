/** The unit and the script that installs it, under a systemd that boots for it: `deno task test:systemd`. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { existsSync } from "@std/fs";
import { packProgram, unpackProgram, unpacksItself } from "../../scripts/build/unpacking.ts";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";
import { makeCertificates } from "../rpc/certificates.ts";
import { BUCKET, S3_KEYS, startS3 } from "../fixtures/s3rver.ts";
import { Container, containerProblem } from "./container.ts";

const PROJECT = fromFileUrl(new URL("../../", import.meta.url));
const BINARY = join(PROJECT, "dist/wsdaemon");
const INSTALL = join(PROJECT, "scripts/install.sh");
const UNIT = "wsdaemon.service";

const problem = Deno.env.get("WSDAEMON_SYSTEMD") !== "1"
  ? "a task of its own: deno task test:systemd"
  : !existsSync(BINARY)
  ? "there is no dist/wsdaemon"
  : containerProblem();

Deno.test({
  name: "the service installs, starts, saves, restores, reloads, recovers and is removed" +
    (problem === undefined ? "" : ` (ignored: ${problem})`),
  ignore: problem !== undefined,
  fn: async (context) => {
    await using node = await Container.boot();
    const client = (...args: string[]) =>
      node.runOutside(...FROM_SOURCE, "client", "--addr", "127.0.0.1:8080", ...args);
    const state = async () => await node.property(UNIT, "ActiveState");
    const restarts = async () => Number(await node.property(UNIT, "NRestarts"));
    const mainPid = () => node.property(UNIT, "MainPID");
    // Starts count towards the unit's limit whatever they are for.
    const restartAfresh = async () => {
      await node.run("systemctl", "restart", UNIT);
      await node.run("systemctl", "reset-failed", UNIT);
    };
    const journal = () => node.run("journalctl", "--unit", UNIT, "--output", "cat");
    const dropIn = async (name: string, text: string) => {
      const folder = join(node.root, "etc/systemd/system/wsdaemon.service.d");
      Deno.mkdirSync(folder, { recursive: true });
      Deno.writeTextFileSync(join(folder, `${name}.conf`), text);
      await node.run("systemctl", "daemon-reload");
    };
    // Each step needs what those before it did.
    const t = {
      async step(name: string, act: () => Promise<void>) {
        if (!await context.step(name, act)) throw new Error(`not: ${name}\n${await journal()}`);
      },
    };
    const at = (path: string) => join(node.root, path);
    const workspace = (path: string) => at(`var/lib/wsdaemon/workspaces/w/${path}`);

    await t.step("a dry run says what it would do, and does nothing", async () => {
      const said = await node.run(INSTALL, "--dry-run", "--start");
      assertStringIncludes(said, "would: install /usr/local/bin/wsdaemon (mode 755)");
      assertStringIncludes(said, "would: systemctl enable");
      assertEquals(existsSync(at("usr/local/bin/wsdaemon")), false);
      assertEquals(existsSync(at("etc/wsdaemon")), false);
    });

    await t.step("one command installs and starts it, ready and confined", async () => {
      assertStringIncludes(await node.run(INSTALL, "--start"), "runs");
      // systemctl returned because the daemon said READY.
      assertEquals(await state(), "active");
      await eventually(async () =>
        assertEquals(await node.property(UNIT, "StatusText"), "Ready; idle")
      );
      assertStringIncludes(await journal(), "holds every thread to its folders");
      assertEquals(await node.property(UNIT, "OOMScoreAdjust"), "-500");
      await node.run("getent", "group", "wsdaemon");
      assert(existsSync(at("usr/local/share/man/man1/wsdaemon.1")));
      await node.run("bash", "-n", "/usr/local/share/bash-completion/completions/wsdaemon");
    });

    await t.step("installing it again changes nothing", async () => {
      const pid = await mainPid();
      assertMatch(await node.run(INSTALL, "--start"), /^wsdaemon \S+ \(.+\) runs.*\n$/);
      assertEquals(await mainPid(), pid);
    });

    await t.step("a tree comes back with owners, set-id bits and capabilities", async () => {
      await client("init", "--id", "w", "--owner", "alice", "--meta-id", "m", "--empty");
      await node.run(
        "sh",
        "-ec",
        `cd /var/lib/wsdaemon/workspaces/w
        cp /bin/true suid; chown 4242:4243 suid; chmod 6755 suid
        cp /bin/true capable; setcap cap_net_raw+ep capable
        mknod device c 1 3; mknod whiteout c 0 0; mkfifo fifo`,
      );
      await client("dispose", "w", "--backup");
      assertEquals(existsSync(workspace("")), false);
      const restore = ["--id", "w", "--owner", "alice", "--meta-id", "m", "--from-backup"];
      await client("init", ...restore);
      const { mode, uid, gid } = Deno.statSync(workspace("suid"));
      assertEquals([mode! & 0o7777, uid, gid], [0o6755, 4242, 4243]);
      assertMatch(
        await node.run("getcap", "/var/lib/wsdaemon/workspaces/w/capable"),
        /cap_net_raw[=+]ep/,
      );
      assertEquals(Deno.lstatSync(workspace("device")).rdev, 0x103);
      assert(Deno.lstatSync(workspace("whiteout")).isCharDevice);
      assert(Deno.lstatSync(workspace("fifo")).isFifo);
    });

    await t.step(
      "with the drop-in against device nodes, they are left out, and said so",
      async () => {
        await dropIn("devices", NO_DEVICES);
        await node.run("systemctl", "restart", UNIT);
        await client("init", "--id", "d", "--owner", "alice", "--meta-id", "m", "--from-backup");
        const folder = at("var/lib/wsdaemon/workspaces/d");
        assertEquals(existsSync(`${folder}/device`), false);
        assert(Deno.lstatSync(`${folder}/whiteout`).isCharDevice);
        assertMatch(await journal(), /Left out of workspace d, .*: 1 device/);
        await client("dispose", "d");
      },
    );

    await t.step("it reloads, and goes on as the same process", async () => {
      const pid = await mainPid();
      await node.run("systemctl", "reload", UNIT);
      await eventually(async () => assertEquals(await state(), "active"));
      assertEquals(await mainPid(), pid);
    });

    await t.step("killed, it starts again with its workspaces", async () => {
      const before = await restarts();
      await node.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", UNIT);
      await eventually(async () => {
        assertEquals([await restarts(), await state()], [before + 1, "active"]);
      });
      assertMatch(await client("exists", "w"), /true/);
    });

    await t.step("hung, the watchdog ends it, and it starts again", async () => {
      await dropIn("watchdog", "[Service]\nWatchdogSec=3\nTimeoutAbortSec=2\n");
      await node.run("systemctl", "restart", UNIT);
      const before = await restarts();
      await node.run("kill", "-STOP", await mainPid());
      await eventually(async () => {
        assertEquals([await restarts(), await state()], [before + 1, "active"]);
      });
      assertStringIncludes(await journal(), "Watchdog timeout");
      assertMatch(await client("exists", "w"), /true/);
    });

    await t.step("a key that only root can read reaches it as a credential", async () => {
      await using s3 = await startS3(undefined, node.network);
      const config = at("etc/wsdaemon/config.json");
      const good = Deno.readTextFileSync(config);
      const credentialsFile = "/run/credentials/wsdaemon.service/s3";
      const { endpoint } = s3;
      Deno.writeTextFileSync(
        config,
        JSON.stringify({
          ...{ root: "/var/lib/wsdaemon", listen: ["127.0.0.1:8080"] },
          storage: { kind: "s3", endpoint, bucket: BUCKET, forcePathStyle: true, credentialsFile },
        }),
      );
      const { accessKeyId, secretAccessKey } = S3_KEYS;
      Deno.writeTextFileSync(
        at("etc/wsdaemon/s3"),
        `[default]\naws_access_key_id = ${accessKeyId}\n` +
          `aws_secret_access_key = ${secretAccessKey}\n`,
        { mode: 0o600 },
      );
      // Without it there is no such file, which the start says.
      await node.try("systemctl", "restart", UNIT);
      await eventually(async () => assertStringIncludes(await journal(), credentialsFile));
      await node.run("systemctl", "stop", UNIT);
      await dropIn("credentials", "[Service]\nLoadCredential=s3:/etc/wsdaemon/s3\n");
      await node.try("systemctl", "reset-failed", UNIT);
      await node.run("systemctl", "start", UNIT);
      const { mode } = Deno.statSync(at(credentialsFile));
      assertEquals(mode! & 0o077, 0, "others can read it");
      await client("init", "--id", "c", "--owner", "alice", "--meta-id", "c", "--empty");
      assertStringIncludes(await client("backup", "c"), "alice/c");
      await client("dispose", "c");
      Deno.removeSync(at("etc/systemd/system/wsdaemon.service.d/credentials.conf"));
      Deno.writeTextFileSync(config, good);
      await node.run("systemctl", "daemon-reload");
      await node.run("systemctl", "restart", UNIT);
      assertMatch(await client("exists", "w"), /true/);
    });

    await t.step("it answers on a unix socket, and by TLS those with a certificate", async () => {
      const [config, folder] = [at("etc/wsdaemon/config.json"), at("etc/wsdaemon/tls")];
      const good = Deno.readTextFileSync(config);
      Deno.mkdirSync(folder);
      await makeCertificates(folder);
      const own = "/etc/wsdaemon/tls";
      Deno.writeTextFileSync(
        config,
        JSON.stringify({
          listen: ["unix:///run/wsdaemon/api.sock", "127.0.0.1:8443"],
          tls: { cert: `${own}/server.pem`, key: `${own}/server.key`, clientCa: `${own}/ca.pem` },
        }),
      );
      await node.run("systemctl", "restart", UNIT);
      const exists = (...flags: string[]) =>
        node.runOutside(...FROM_SOURCE, "client", ...flags, "exists", "w");
      assertMatch(await exists("--addr", `unix://${at("run/wsdaemon/api.sock")}`), /true/);
      const tls = ["--addr", "127.0.0.1:8443", "--tls-ca", `${folder}/ca.pem`];
      const shown = ["--tls-cert", `${folder}/client.pem`, "--tls-key", `${folder}/client.key`];
      assertMatch(await exists(...tls, ...shown), /true/);
      await assertRejects(() => exists(...tls));
      Deno.writeTextFileSync(config, good);
      await restartAfresh();
    });

    await t.step("put in place by hand, it unpacks itself to the unit's cache", async () => {
      if (!await unpacksItself(BINARY)) return;
      const program = at("usr/local/bin/wsdaemon");
      const installed = Deno.readFileSync(program);
      Deno.removeSync(program);
      Deno.copyFileSync(BINARY, program);
      await node.run("systemctl", "restart", UNIT);
      assertMatch(
        await node.run("readlink", `/proc/${await mainPid()}/exe`),
        /^\/var\/cache\/wsdaemon\/[0-9a-f]{16}\/wsdaemon\n$/,
      );
      assertMatch(await client("exists", "w"), /true/);
      const checks = await node.run(
        "/usr/local/bin/wsdaemon",
        ...["doctor", "--config", "/etc/wsdaemon/config.json"],
      );
      assert(!checks.includes("FAILED"), checks);
      Deno.writeFileSync(program, installed, { mode: 0o755 });
      await restartAfresh();
    });

    await t.step("a config that is not valid is tried once", async () => {
      const config = at("etc/wsdaemon/config.json");
      const good = Deno.readTextFileSync(config);
      Deno.writeTextFileSync(config, '{ "rooot": 1 }');
      await node.try("systemctl", "restart", UNIT);
      await eventually(async () => {
        assertEquals(await node.property(UNIT, "ExecMainStatus"), "78");
        assertEquals([await state(), await restarts()], ["failed", 0]);
      });
      assertStringIncludes(await journal(), "rooot");
      // An upgrade whose program refuses the config changes nothing.
      const unit = at("etc/systemd/system/wsdaemon.service");
      const installed = Deno.readTextFileSync(unit);
      Deno.writeTextFileSync(unit, `# Older.\n${installed}`);
      const refused = await node.try(INSTALL, "--start");
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "rooot");
      assertEquals(Deno.readTextFileSync(unit), `# Older.\n${installed}`);
      Deno.writeTextFileSync(unit, installed);
      Deno.writeTextFileSync(config, good);
      await node.run("systemctl", "reset-failed", UNIT);
      await node.run("systemctl", "start", UNIT);
      assertMatch(await client("exists", "w"), /true/);
    });

    await t.step("an upgrade restarts it with its workspaces, and keeps the config", async () => {
      const config = at("etc/wsdaemon/config.json");
      Deno.writeTextFileSync(config, `// Mine.\n${Deno.readTextFileSync(config)}`);
      const [pid, kept] = [await mainPid(), Deno.readTextFileSync(config)];
      const unit = at("etc/systemd/system/wsdaemon.service");
      Deno.writeTextFileSync(unit, `# Older.\n${Deno.readTextFileSync(unit)}`);
      await node.run(INSTALL, "--start");
      assert(await mainPid() !== pid);
      assertEquals(Deno.readTextFileSync(config), kept);
      assertMatch(await client("exists", "w"), /true/);
    });

    await t.step(
      "what an upgrade without --start left running is restarted by --start",
      async () => {
        const other = at("root/other");
        await writeOtherBuild(other);
        const program = ["--binary", "/root/other"];
        const before = await mainPid();
        assertStringIncludes(await node.run(INSTALL, ...program), "to use it: systemctl restart");
        assertEquals(await mainPid(), before);
        await node.run(INSTALL, ...program, "--start");
        const upgraded = await mainPid();
        assert(upgraded !== before);
        await node.run(INSTALL, ...program, "--start");
        assertEquals(await mainPid(), upgraded);

        // The unit alone is another one. Its time is known by the second.
        const now = () => Math.floor(Date.now() / 1000);
        const second = now();
        await eventually(() => Promise.resolve(assert(now() > second)));
        const unit = at("etc/systemd/system/wsdaemon.service");
        Deno.writeTextFileSync(unit, `# Older.\n${Deno.readTextFileSync(unit)}`);
        await node.run(INSTALL, ...program);
        assertEquals(await mainPid(), upgraded);
        await node.run(INSTALL, ...program, "--start");
        assert(await mainPid() !== upgraded);
        assertMatch(await client("exists", "w"), /true/);
      },
    );

    await t.step(
      "a pool is mounted by its unit before the daemon, which quotas work in",
      async () => {
        await node.addLoopDevices();
        const config = at("etc/wsdaemon/config.json");
        const before = Deno.readTextFileSync(config);
        Deno.writeTextFileSync(
          config,
          `{ "root": "/srv/node-1", "quota": { "driver": "btrfs" },
        "contentOwner": { "uid": 4242, "gid": 4242 } }`,
        );
        const pool = (...args: string[]) =>
          node.run(
            "/usr/local/bin/wsdaemon",
            "pool",
            ...args,
            "--config",
            "/etc/wsdaemon/config.json",
          );
        await pool("create", "--size", "1GiB", "--file", "/var/lib/wsdaemon/pool.img");
        await node.run("systemctl", "daemon-reload");
        await node.run("systemctl", "restart", UNIT);
        const mount = "srv-node\\x2d1.mount";
        assertEquals(await node.property(mount, "ActiveState"), "active");
        assertStringIncludes(await journal(), "Workspaces are subvolumes of btrfs");
        const { stdout: verified } = await node.try("systemd-analyze", "verify", "--man=no", mount);
        assertEquals(verified, "");
        const quota = ["--quota", "40MiB"];
        await client("init", "--id", "p", "--owner", "a", "--meta-id", "p", "--empty", ...quota);
        const write = "dd if=/dev/zero of=/srv/node-1/workspaces/p/big bs=1M count=80 conv=fsync";
        assertMatch((await node.try("sh", "-c", write)).stderr, /Disk quota exceeded/);
        await pool("grow", "--size", "2GiB");
        assertMatch(await pool("status"), /^units +in place$/m);
        await client("dispose", "p");

        // Who unmounts it ends the daemon, which does not start on what is beneath.
        await node.run("systemctl", "stop", mount);
        await eventually(async () => assertEquals(await state(), "inactive"));
        assertEquals([...Deno.readDirSync(at("srv/node-1"))], []);
        await node.run("systemctl", "start", UNIT);
        assertEquals(await node.property(mount, "ActiveState"), "active");
        await node.run("systemctl", "stop", UNIT, mount);
        await node.run("rm", `/etc/systemd/system/${mount}`, "/var/lib/wsdaemon/pool.img");
        await node.run("rm", "/etc/systemd/system/wsdaemon.service.d/pool.conf");
        await node.run("systemctl", "daemon-reload");
        Deno.writeTextFileSync(config, before);
      },
    );

    await t.step("removed, it leaves config and data", async () => {
      await node.run(INSTALL, "--uninstall");
      assertEquals(await state(), "inactive");
      assertEquals(existsSync(at("usr/local/bin/wsdaemon")), false);
      assertEquals(existsSync(at("etc/systemd/system/wsdaemon.service")), false);
      assertEquals(existsSync(at("usr/local/share/man/man1/wsdaemon.1")), false);
      assert(existsSync(workspace("suid")));
      assert(existsSync(at("etc/wsdaemon/config.json")));
      // Again, with nothing there.
      await node.run(INSTALL, "--uninstall");
    });
  },
});

/** Writes a program that does the same as the installed one and is not the same. */
async function writeOtherBuild(path: string): Promise<void> {
  if (await unpacksItself(BINARY)) {
    using folder = testFolder();
    const program = await unpackProgram(BINARY, folder.path);
    const record = join(program, "node_modules/wsdaemon/build.json");
    const build = { ...JSON.parse(Deno.readTextFileSync(record)), revision: "another" };
    Deno.writeTextFileSync(record, JSON.stringify(build));
    const { arch } = Deno.build;
    assert(arch === "x86_64" || arch === "aarch64");
    return await packProgram(program, build, arch, path);
  }
  const bytes = Deno.readFileSync(BINARY);
  // The name of its compiler, which nothing reads.
  const at = new TextDecoder("latin1").decode(bytes).indexOf("GCC: (");
  assert(at >= 0, "the program does not name its compiler");
  bytes[at] = "g".charCodeAt(0);
  Deno.writeFileSync(path, bytes, { mode: 0o755 });
}

/** As docs/operations.md has it. */
const NO_DEVICES = `[Service]
CapabilityBoundingSet=~CAP_MKNOD
PrivateDevices=yes
`;
