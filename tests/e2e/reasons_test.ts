import { assertEquals, assertRejects } from "@std/assert";
import { ClientError, type InitWorkspaceInit } from "../../src/client/mod.ts";
import { testFolder } from "../fixtures/folder.ts";
import { TestNode } from "./node.ts";

Deno.test("a daemon tells a caller the failures of one code apart by their reasons", async () => {
  using folder = testFolder();
  // Loopback is what the rules forbid unless told otherwise.
  const url = "http://127.0.0.1:65535";
  await using node = await TestNode.start(folder.path, "node");
  const { client } = node;
  const seen: string[] = [];
  const fails = async (call: () => Promise<unknown>) => {
    const { code, reason } = await assertRejects(call, ClientError);
    seen.push(`${code} ${reason}`);
  };
  const init = (id: string, spec: Spec, remoteStorageDisabled = false) =>
    client.initWorkspace({
      id,
      metadata: { owner: "o", metaId: id },
      initializer: { spec },
      remoteStorageDisabled,
    });
  await init("kept", { case: "empty", value: {} }, true);

  await fails(() => init("a", { case: "backup", value: {} }));
  await fails(() => init("b", { case: "backup", value: {} }, true));
  await fails(() => client.takeSnapshot({ id: "kept" }));
  await fails(() => client.disposeWorkspace({ id: "kept", backup: true }));
  await fails(() => init("c", { case: "git", value: { remoteUri: `${url}/private.git` } }));
  const file = { url: `${url}/f`, filePath: "f", digest: `sha256:${"0".repeat(64)}` };
  await fails(() => init("e", { case: "download", value: { files: [file] } }));
  await fails(() => init("kept", { case: "empty", value: {} }));
  await fails(() => client.waitForInit("nobody"));
  const snapshot = `wsdaemon:snapshot/o/m/20260101T000000Z-${"0".repeat(16)}`;
  await fails(() => init("d", { case: "snapshot", value: { snapshot } }));

  assertEquals(seen, [
    "FAILED_PRECONDITION BACKUP_NOT_FOUND",
    "FAILED_PRECONDITION REMOTE_STORAGE_DISABLED",
    "FAILED_PRECONDITION REMOTE_STORAGE_DISABLED",
    "FAILED_PRECONDITION REMOTE_STORAGE_DISABLED",
    "FAILED_PRECONDITION EGRESS_REFUSED",
    "FAILED_PRECONDITION EGRESS_REFUSED",
    "ALREADY_EXISTS WORKSPACE_EXISTS",
    "NOT_FOUND WORKSPACE_NOT_FOUND",
    "NOT_FOUND SNAPSHOT_NOT_FOUND",
  ]);
});

type Spec = NonNullable<NonNullable<InitWorkspaceInit["initializer"]>["spec"]>;
