import { ProcessTree } from "../../../scripts/bench/process_tree.ts";
import { until } from "../../fixtures/eventually.ts";

const MIB = 2 ** 20;

Deno.test("the memory of a process is that of all that it has started", async () => {
  // The child of a child holds 20 MiB until its input ends.
  const holds = `x=$(head -c ${20 * MIB} /dev/zero | tr '\\0' x); read -r _`;
  const child = new Deno.Command("bash", {
    args: ["-c", `bash -c "$0"; true`, holds],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    using tree = new ProcessTree(child.pid);
    await until("its memory shows", () => tree.peak > 20 * MIB);
  } finally {
    await child.stdin.close();
    await child.status;
  }
});
