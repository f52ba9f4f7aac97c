import type { OperationRegistry } from "../operations/mod.ts";
import type { WorkspaceInfo, WorkspaceManager } from "../workspace/mod.ts";
import { type SnapshotStatus, snapshotStatus } from "./snapshot_status.ts";
import { viewsOf, type ViewSources, type WorkspaceView } from "./workspace_view.ts";

/** What an {@link Administration} uses. */
export interface AdministrationOptions extends ViewSources {
  workspaces: Pick<WorkspaceManager, "all" | "get" | "isPending">;
}

/** What operators see of a node and do to it. */
export class Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  /** What runs on this node, and what has run last. */
  get operations(): OperationRegistry {
    return this.#options.operations;
  }

  /** Returns the workspaces of this node, sorted by id. */
  workspaces(): WorkspaceInfo[] {
    return this.#options.workspaces.all().sort((a, b) => a.id < b.id ? -1 : 1);
  }

  /** Returns some workspaces with what they take and their last image, in their order. */
  async views(infos: readonly WorkspaceInfo[], signal: AbortSignal): Promise<WorkspaceView[]> {
    return await viewsOf(infos, this.#options, { signal });
  }

  /**
   * Returns one workspace in the same way.
   * @param measure whether to look at every file where the file system does not count them
   * @throws {DaemonError} NOT_FOUND
   */
  async view(
    id: string,
    options: { measure: boolean; signal: AbortSignal },
  ): Promise<WorkspaceView> {
    const info = this.#options.workspaces.get(id);
    return (await viewsOf([info], this.#options, options))[0]!;
  }

  /** Returns what became of a snapshot. @throws {DaemonError} INVALID_ARGUMENT, NOT_FOUND */
  async snapshot(url: string, signal: AbortSignal): Promise<SnapshotStatus> {
    const { workspaces } = this.#options;
    const isPending = (one: string) => workspaces.isPending(one);
    return await snapshotStatus(url, { ...this.#options, isPending }, signal);
  }
}
