/// <reference lib="deno.worker" />

/** Tries what the daemon's Worker could do if Deno let it, and what programs can that it runs. */

/** More than a pool of threads has. */
const READERS = 64;

addEventListener(
  "message",
  async ({ data }: MessageEvent<{ root: string; outside: string; git: string }>) => {
    const { root, outside, git } = data;
    const reads = Array.from(
      { length: READERS },
      () => Deno.readTextFile(outside).then(() => "allowed", (error) => error.name),
    );
    const shell = (script: string) =>
      new Deno.Command("/bin/sh", {
        args: ["-c", script, "sh", root, outside],
        clearEnv: true,
        env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent", GIT_CONFIG_NOSYSTEM: "1" },
        stderr: "null",
        stdout: "null",
      }).outputSync().success;
    postMessage({
      worker: {
        reads: [...new Set(await Promise.all(reads))],
        writeRoot: await Deno.writeTextFile(`${root}/worker`, "").then(() => "allowed", String),
      },
      program: {
        "read outside": shell('cat "$2"'),
        "write outside": shell('echo x > "$2"'),
        "write beside": shell('echo x > "$2.new"'),
        "delete outside": shell('rm -f "$2"'),
        "run what lies in the root": shell('cp /bin/true "$1/program" && "$1/program"'),
        "become another group of mounts": shell("unshare -m true"),
        "read settings": shell("cat /etc/hosts"),
        "change the root": shell('mkdir "$1/folder" && mv "$1/main" "$1/folder/main"'),
        "run git": shell(`cd "$1" && ${git} init -q repository`),
      },
    });
  },
);
