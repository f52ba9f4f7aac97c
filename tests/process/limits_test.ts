import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { limitProblem, needsOf, type System, thisSystem } from "../../src/process/limits.ts";
import { testFolder } from "../fixtures/folder.ts";
import { wsdaemon } from "../cli/fixture.ts";

const NEEDS = { threads: 50, openFiles: 400 };

const LIMITS = {
  "/proc/self/limits": `Limit                     Soft Limit           Hard Limit           Units
Max processes             1000                 1000                 processes
Max open files            1024                 4096                 files
`,
  "/proc/self/status": "Name:\tdeno\nUid:\t7\t7\t7\t7\nThreads:\t10\n",
  "/proc/self/cgroup": "0::/system.slice/wsdaemon.service\n",
};

function system(files: Record<string, string>, uid = 7): System {
  const all: Record<string, string> = { ...LIMITS, ...files };
  return { read: (path) => all[path], processes: () => [1, 2, 3], uid };
}

const SERVICE = "/sys/fs/cgroup/system.slice/wsdaemon.service";

Deno.test("limits that are wide enough, or absent, or not to be read are no problem", () => {
  assertEquals(limitProblem(NEEDS, system({})), undefined);
  assertEquals(
    limitProblem(
      NEEDS,
      system({ [`${SERVICE}/pids.max`]: "max\n", [`${SERVICE}/pids.current`]: "9" }),
    ),
    undefined,
  );
  const blind: System = { read: () => undefined, processes: () => [], uid: 7 };
  assertEquals(limitProblem(NEEDS, blind), undefined);
  assertEquals(limitProblem(needsOf(navigator.hardwareConcurrency), thisSystem), undefined);
});

Deno.test("a limit that is too narrow is named with what is needed and how to raise it", () => {
  const files = LIMITS["/proc/self/limits"].replace("1024", "48  ");
  assertEquals(
    limitProblem(NEEDS, system({ "/proc/self/limits": files })),
    "Cannot run with 48 open files at most: wsdaemon needs 400 on this machine; raise the limit " +
      "(LimitNOFILE= of a systemd unit, ulimit -n of a shell)",
  );
  // What this process has already counts for it; the slice above the service is full.
  const cgroups = {
    [`${SERVICE}/pids.max`]: "100\n",
    [`${SERVICE}/pids.current`]: "10\n",
    "/sys/fs/cgroup/system.slice/pids.max": "64\n",
    "/sys/fs/cgroup/system.slice/pids.current": "30\n",
  };
  assertStringIncludes(
    limitProblem(NEEDS, system(cgroups)) ?? "",
    "with 44 threads at most, which pids.max of /sys/fs/cgroup/system.slice, 64, leaves",
  );
  const first = {
    "/proc/self/cgroup": "8:pids:/a\n0::/\n",
    "/sys/fs/cgroup/pids/a/pids.max": "20",
  };
  assertStringIncludes(
    limitProblem(NEEDS, system({ ...first, "/sys/fs/cgroup/pids/a/pids.current": "12" })) ?? "",
    "with 18 threads at most, which pids.max of /sys/fs/cgroup/pids/a, 20, leaves",
  );
  const others = {
    "/proc/1/status": "Uid:\t0\t0\t0\t0\nThreads:\t500\n",
    "/proc/2/status": "Uid:\t7\t7\t7\t7\nThreads:\t960\n",
    "/proc/3/status": LIMITS["/proc/self/status"],
  };
  assertStringIncludes(
    limitProblem(NEEDS, system(others)) ?? "",
    "with 40 threads at most, which the limit of user 7, 1000, leaves",
  );
  assertEquals(limitProblem(NEEDS, system(others, 0)), undefined);
});

Deno.test("a daemon that may open too few files says so in one line", async () => {
  using folder = testFolder();
  const args = ["run", "--root", `${folder.path}/root`, "--listen", "127.0.0.1:0"];
  const { code, stderr } = await wsdaemon([...args, "--metrics-listen", "off"], {
    shell: 'ulimit -n 48 && exec "$@"',
  });
  assertEquals(code, 1);
  assertMatch(stderr, /^error: Cannot run with 48 open files at most: wsdaemon needs \d+ .*\n$/);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

const CGROUP = pidsCgroup();

Deno.test({
  name: `a daemon that may have too few threads says so in one line${
    CGROUP ? "" : " (ignored: needs root and a pids cgroup to make another in)"
  }`,
  ignore: CGROUP === undefined,
  fn: async () => {
    using folder = testFolder();
    const cgroup = `${CGROUP}/wsdaemon-test-${Deno.pid}`;
    Deno.mkdirSync(cgroup);
    try {
      Deno.writeTextFileSync(`${cgroup}/pids.max`, "20");
      const args = ["run", "--root", `${folder.path}/root`, "--listen", "127.0.0.1:0"];
      const { code, stderr } = await wsdaemon(args, {
        shell: `echo $$ > ${cgroup}/cgroup.procs && exec "$@"`,
      });
      assertEquals(code, 1);
      assertMatch(stderr, /^error: Cannot run with \d+ threads at most, which pids\.max of .*\n$/);
    } finally {
      Deno.removeSync(cgroup);
    }
  },
});

/** A cgroup in which another can be made that limits processes. */
function pidsCgroup(): string | undefined {
  return ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].find((folder) => {
    const probe = `${folder}/wsdaemon-probe-${Deno.pid}`;
    try {
      Deno.mkdirSync(probe);
    } catch {
      return false;
    }
    try {
      Deno.statSync(`${probe}/pids.max`);
      return true;
    } catch {
      return false;
    } finally {
      Deno.removeSync(probe);
    }
  });
}
