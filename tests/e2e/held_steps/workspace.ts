/** Stands for the lifecycle's entry: the work of a call is known to be that of its workspace. */

import { WorkspaceManager as RealManager } from "../../../src/workspace/mod.ts";
import { inWorkspace } from "./held.ts";

export * from "../../../src/workspace/mod.ts";

type Arguments<Name extends "init" | "backup" | "takeSnapshot" | "dispose"> = Parameters<
  RealManager[Name]
>;

/** The manager. Each workspace is held in one kind of call, which its id begins with. */
export class WorkspaceManager extends RealManager {
  override init(...args: Arguments<"init">) {
    return during("init", args[0].id, () => super.init(...args));
  }

  override backup(...args: Arguments<"backup">) {
    return during("save", args[0], () => super.backup(...args));
  }

  override takeSnapshot(...args: Arguments<"takeSnapshot">) {
    return during("pending", args[0], () => super.takeSnapshot(...args));
  }

  override dispose(...args: Arguments<"dispose">) {
    return during("disposal", args[0], () => super.dispose(...args));
  }
}

function during<T>(kind: string, id: string, call: () => T): T {
  return id.startsWith(`${kind}-`) ? inWorkspace(id, call) : call();
}
