/** The package for Debian, under a systemd that boots for it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { existsSync } from "@std/fs";
import { join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { packageName } from "../../scripts/release/debian_package.ts";
import { eventually } from "../fixtures/eventually.ts";
import { Container, containerProblem } from "../systemd/container.ts";
import { RELEASE, releaseProblem, version } from "./fixture.ts";

const UNIT = "wsdaemon.service";
const problem = releaseProblem() ?? containerProblem() ??
  (existsSync("/usr/bin/dpkg") ? undefined : "there is no dpkg");

Deno.test({
  name: "the package installs, starts, upgrades, is removed and purged, and data stays" +
    (problem === undefined ? "" : ` (ignored: ${problem})`),
  ignore: problem !== undefined,
  fn: async (context) => {
    await using node = await Container.boot();
    const at = (path: string) => join(node.root, path);
    // Makers of images keep packages from starting anything.
    if (existsSync(at("usr/sbin/policy-rc.d"))) Deno.removeSync(at("usr/sbin/policy-rc.d"));
    const client = (...args: string[]) =>
      node.runOutside(...FROM_SOURCE, "client", "--addr", "127.0.0.1:8080", ...args);
    const state = () => node.property(UNIT, "ActiveState");
    const mainPid = () => node.property(UNIT, "MainPID");
    const journal = () => node.run("journalctl", "--unit", UNIT, "--output", "cat");
    const config = at("etc/wsdaemon/config.json");
    const kept = () => existsSync(at("var/lib/wsdaemon/workspaces/w/unsaved"));
    const t = {
      async step(name: string, act: () => Promise<void>) {
        if (!await context.step(name, act)) throw new Error(`not: ${name}\n${await journal()}`);
      },
    };
    Deno.copyFileSync(join(RELEASE, packageName(version, "x86_64")), at("root/wsdaemon.deb"));
    Deno.mkdirSync(at("root/next"));

    await t.step("one command installs and starts it, ready and confined", async () => {
      await node.run("dpkg", "--install", "/root/wsdaemon.deb");
      assertEquals(await state(), "active");
      assertEquals(await node.property(UNIT, "UnitFileState"), "enabled");
      await eventually(async () =>
        assertEquals(await node.property(UNIT, "StatusText"), "Ready; idle")
      );
      assertStringIncludes(await journal(), "holds every thread to its folders");
      assertEquals(Deno.statSync(config).mode! & 0o7777, 0o600);
      await node.run("getent", "group", "wsdaemon");
      await node.run("dpkg", "--verify", "wsdaemon");
      for (
        const path of [
          "usr/share/bash-completion/completions/wsdaemon",
          "usr/share/man/man1/wsdaemon.1.gz",
          "usr/share/doc/wsdaemon/copyright",
        ]
      ) assert(existsSync(at(path)), path);
    });

    await t.step("doctor finds nothing that fails", async () => {
      assertMatch(
        await node.run("wsdaemon", "doctor", "--config", "/etc/wsdaemon/config.json"),
        /ok/,
      );
    });

    await t.step("an upgrade keeps workspaces and the config that was changed", async () => {
      await client("init", "--id", "w", "--owner", "alice", "--meta-id", "m", "--empty");
      Deno.writeTextFileSync(at("var/lib/wsdaemon/workspaces/w/unsaved"), "work");
      Deno.writeTextFileSync(config, `// Mine.\n${Deno.readTextFileSync(config)}`);
      await node.run(
        "sh",
        "-ec",
        `dpkg-deb --raw-extract /root/wsdaemon.deb /root/next
        sed -i 's/^Version: .*/&+1/' /root/next/DEBIAN/control
        dpkg-deb -Znone --build /root/next /root/next.deb`,
      );
      const pid = await mainPid();
      await node.run("dpkg", "--force-confold", "--install", "/root/next.deb");
      assertEquals(await state(), "active");
      assert(await mainPid() !== pid, "it was not restarted");
      assertMatch(Deno.readTextFileSync(config), /^\/\/ Mine\./);
      assertMatch(await client("exists", "w"), /true/);
      assert(kept());
    });

    await t.step("an upgrade that cannot use the config leaves what runs running", async () => {
      const good = Deno.readTextFileSync(config);
      Deno.writeTextFileSync(config, '{ "rooot": 1 }');
      const pid = await mainPid();
      const refused = await node.try("dpkg", "--force-confold", "--install", "/root/next.deb");
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "rooot");
      assertEquals([await state(), await mainPid()], ["active", pid]);
      assertMatch(await client("exists", "w"), /true/);
      Deno.writeTextFileSync(config, good);
      await node.run("dpkg", "--configure", "wsdaemon");
      assertMatch(await client("exists", "w"), /true/);
    });

    await t.step("removed, it leaves config and data", async () => {
      await node.run("dpkg", "--remove", "wsdaemon");
      assertEquals(await state(), "inactive");
      assert(!existsSync(at("usr/bin/wsdaemon")));
      assert(existsSync(config));
      assert(kept());
    });

    await t.step(
      "purged, it leaves data, says where, and finds it when installed again",
      async () => {
        assertStringIncludes(await node.run("dpkg", "--purge", "wsdaemon"), "/var/lib/wsdaemon");
        assert(!existsSync(at("etc/wsdaemon")));
        assert(kept());
        await node.run("dpkg", "--install", "/root/wsdaemon.deb");
        assertEquals(await state(), "active");
        assertMatch(await client("exists", "w"), /true/);
      },
    );
  },
});
