/** A container that systemd boots in, on a copy of this machine's root that is gone afterwards. */

import { fromFileUrl, join } from "@std/path";
import { eventually } from "../fixtures/eventually.ts";
import { testFolder } from "../fixtures/folder.ts";

/** The checkout, which programs in the container read at the same path. */
const PROJECT = fromFileUrl(new URL("../..", import.meta.url));

/** What a program in the container said and how it ended. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why no container can be booted here; `undefined` where one can. */
export function containerProblem(): string | undefined {
  if (Deno.uid() !== 0) return "needs root";
  const missing = ["systemd-nspawn", "nsenter", "mount"].filter((tool) => !isInstalled(tool));
  return missing.length > 0 ? `there is no ${missing.join(", ")}` : undefined;
}

function isInstalled(tool: string): boolean {
  return new Deno.Command("sh", { args: ["-c", `command -v ${tool}`], stdout: "null" })
    .outputSync().success;
}

/** A booted container, with a network of its own that only has loopback. */
export class Container implements AsyncDisposable {
  #stack: AsyncDisposableStack | undefined;
  readonly #init: () => number;

  /** @param init returns the pid of its first process, as this machine sees it */
  private constructor(init: () => number) {
    this.#init = init;
  }

  /** Its root with what is mounted there, as this machine sees it. */
  get root(): string {
    return `/proc/${this.#init()}/root`;
  }

  /**
   * Boots to `basic.target`, without the machine's own services. `/var/lib/wsdaemon` is on the file
   * system of temporary folders, as an overlay cannot hold all that a workspace can.
   */
  static async boot(): Promise<Container> {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(testFolder());
    const [upper, work, root, data] = ["upper", "work", "root", "data"].map((name) =>
      join(path, name)
    );
    for (const folder of [upper!, work!, root!, data!]) Deno.mkdirSync(folder);
    const layers = `lowerdir=/,upperdir=${upper},workdir=${work}`;
    await run("mount", "-t", "overlay", "overlay", "-o", layers, root!);
    stack.defer(() => run("umount", "--recursive", root!));
    const nspawn = new Deno.Command("systemd-nspawn", {
      args: [
        ...["--quiet", `--directory=${root}`, "--machine=wsdaemon-test", "--keep-unit"],
        // This one's own list of calls is older than Landlock.
        "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        `--bind=${data}:/var/lib/wsdaemon`,
        // The container has a /tmp of its own, and of this machine's root nothing that is mounted on it.
        `--bind-ro=${PROJECT}`,
        ...["--register=no", "--private-network", "--boot", "systemd.unit=basic.target"],
      ],
      env: { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "0" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const init = () =>
      Number(Deno.readTextFileSync(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`));
    stack.defer(async () => {
      // The container's processes end with its first one.
      const pid = init();
      if (pid > 0) Deno.kill(pid, "SIGKILL");
      await nspawn.status;
    });
    const container = new Container(init);
    await eventually(async () =>
      void await container.run("systemctl", "is-active", "basic.target")
    );
    container.#stack = stack.move();
    return container;
  }

  /** Gives the container loop devices, which it lacks as it boots. */
  async addLoopDevices(): Promise<void> {
    const make = `cd /dev; mknod loop-control c 10 237
      for n in $(seq 0 63); do mknod loop$n b 7 $n; done`;
    await this.run("sh", "-ec", make);
  }

  /** Runs a program in the container. @throws where it fails, with what it said */
  async run(...command: [string, ...string[]]): Promise<string> {
    const { code, stdout, stderr } = await this.try(...command);
    if (code === 0) return stdout;
    throw new Error(`${command.join(" ")} ended with ${code}:\n${stdout}${stderr}`);
  }

  /** Runs a program in the container. */
  try(...command: [string, ...string[]]): Promise<Ran> {
    return output("nsenter", [
      `--target=${this.#init()}`,
      ...["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"],
      ...command,
    ]);
  }

  /** What runs a program of this machine so that it sees the container's network. */
  get network(): [string, ...string[]] {
    return ["nsenter", `--net=/proc/${this.#init()}/ns/net`];
  }

  /** Runs a program of this machine that sees the container's network. */
  async runOutside(...command: [string, ...string[]]): Promise<string> {
    const [program, ...args] = [...this.network, ...command];
    const ran = await output(program!, args);
    if (ran.code === 0) return ran.stdout;
    throw new Error(`${command.join(" ")} ended with ${ran.code}:\n${ran.stderr}`);
  }

  /** Returns a property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run("systemctl", "show", "--value", "--property", name, unit)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack?.disposeAsync();
  }
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await output(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

async function output(command: string, args: string[]): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    // What this machine's shell has is not the container's.
    clearEnv: true,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" },
    stdin: "null",
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, stdout: out!, stderr: err! };
}
