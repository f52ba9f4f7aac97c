import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { DaemonError } from "../../src/errors.ts";
import { requireProgram, runProgram } from "../../src/pool/programs.ts";
import { testFolder } from "../fixtures/folder.ts";
import { has } from "../fixtures/tools.ts";

const ignore = !has("mkfs.btrfs");

Deno.test({
  name: `a program that fails is named with what it says, in one line${
    ignore ? " (ignored: no mkfs.btrfs)" : ""
  }`,
  ignore,
  async fn() {
    using folder = testFolder();
    const missing = join(folder.path, "missing");
    await requireProgram("mkfs.btrfs");
    const { code, message } = await assertRejects(
      () => runProgram("mkfs.btrfs", missing),
      DaemonError,
      `mkfs.btrfs ${missing} failed: `,
    );
    assertEquals([code, message.includes("\n")], ["FAILED_PRECONDITION", false]);
  },
});

Deno.test("a program that is missing is named with the package that has it", async () => {
  const program = "no-such-program" as "losetup";
  for (const use of [() => requireProgram(program), () => runProgram(program)]) {
    const { code } = await assertRejects(use, DaemonError, "There is no no-such-program on this");
    assertEquals(code, "FAILED_PRECONDITION");
  }
});
