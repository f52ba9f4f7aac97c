/** Whatever becomes of stderr, the daemon serves, and stops when it is asked to. */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { FROM_SOURCE } from "../../scripts/daemon_process.ts";
import { WorkspaceClient } from "../../src/client/mod.ts";
import { testFolder } from "../fixtures/folder.ts";

/** Calls whose lines are more than a pipe holds, and some where it does not matter. */
const CALLS = { unread: 1_000, closed: 10, none: 10 };

interface Stderr {
  name: string;
  /** How a shell redirects it. */
  redirect: string;
  /** What becomes of the pipe that it is. */
  pipe: "closed" | "unread" | "none";
}

const STDERRS: Stderr[] = [
  { name: "its stderr is a full disk", redirect: "2>/dev/full", pipe: "none" },
  { name: "its stderr was closed", redirect: "2>&-", pipe: "none" },
  { name: "who read its stderr is gone", redirect: "", pipe: "closed" },
  { name: "nobody reads its stderr", redirect: "", pipe: "unread" },
];

for (const { name, redirect, pipe } of STDERRS) {
  Deno.test(`daemon serves and stops in an orderly way when ${name}`, async () => {
    using folder = testFolder();
    const socket = join(folder.path, "api.sock");
    const args = ["--root", join(folder.path, "root"), "--listen", `unix://${socket}`];
    const child = new Deno.Command("sh", {
      args: [
        ...["-c", `exec "$@" ${redirect}`, "sh", ...FROM_SOURCE, "run", ...args],
        ...["--metrics-listen", "off", "--log-level", "debug"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: pipe === "none" ? "null" : "piped",
    }).spawn();
    try {
      if (pipe === "closed") await child.stderr.cancel();
      await listensAt(socket, child.status);
      using client = new WorkspaceClient({ address: `unix://${socket}` });
      for (let call = 0; call < CALLS[pipe]; call++) await client.isWorkspaceExists(`w${call}`);
    } finally {
      child.kill("SIGTERM");
    }
    const { code, signal } = await child.status;
    if (pipe === "unread") await child.stderr.cancel();
    assertEquals([code, signal], [0, null]);
  });
}

/** Waits until there is a socket. @throws where the process ends before */
async function listensAt(path: string, status: Promise<Deno.CommandStatus>): Promise<void> {
  let ended: Deno.CommandStatus | undefined;
  status.then((it) => ended = it);
  while (!ended) {
    try {
      (await Deno.connect({ transport: "unix", path })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`wsdaemon ended with ${ended.code} before it served`);
}
