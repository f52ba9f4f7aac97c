import type { Content } from "../content/mod.ts";
import { DaemonError } from "../errors.ts";
import type { Recovered } from "./recover.ts";
import { wireState } from "./state.ts";
import type { Workspace } from "./workspace.ts";

/** The workspaces of this node by id, and the ids that are taken by trees of no workspace. */
export class WorkspaceRegistry {
  readonly #content: Content;
  readonly #workspaces = new Map<string, Workspace>();
  /** Published trees that belong to no workspace: never replaced, never deleted. */
  #orphans: ReadonlySet<string> = new Set();

  constructor(content: Content) {
    this.#content = content;
  }

  /** Takes over what a restart found. */
  fill({ workspaces, orphans }: Recovered): void {
    for (const workspace of workspaces) this.add(workspace);
    this.#orphans = orphans;
  }

  /** Adds a workspace whose id is free. */
  add(workspace: Workspace): void {
    this.#workspaces.set(workspace.id, workspace);
  }

  /** Returns all workspaces, whatever their state. */
  all(): Iterable<Workspace> {
    return this.#workspaces.values();
  }

  /** Returns whether a workspace has the id. */
  has(id: string): boolean {
    return this.#workspaces.has(id);
  }

  /** Returns the workspace of that id. @throws {DaemonError} NOT_FOUND */
  get(id: string): Workspace {
    const workspace = this.#workspaces.get(id);
    if (!workspace) {
      throw new DaemonError("NOT_FOUND", `There is no workspace ${id} on this node`, {
        reason: "WORKSPACE_NOT_FOUND",
        resource: { type: "workspace", name: id },
      });
    }
    return workspace;
  }

  /** Removes a workspace that is NONE, unless its id has been reused meanwhile. */
  removeIfGone(workspace: Workspace): void {
    const { id, state } = workspace;
    if (state === "NONE" && this.#workspaces.get(id) === workspace) this.#workspaces.delete(id);
  }

  /** Refuses an id that a workspace has. @throws {DaemonError} ALREADY_EXISTS */
  checkFree(id: string): void {
    const existing = this.#workspaces.get(id);
    if (!existing) return;
    throw new DaemonError(
      "ALREADY_EXISTS",
      existing.state === "DELETING"
        ? `Workspace ${id} is still being deleted: its id is free once that is done`
        : `Workspace ${id} exists and is ${wireState(existing.state)}: dispose of it first`,
      {
        reason: existing.state === "DELETING" ? "WORKSPACE_BEING_DELETED" : "WORKSPACE_EXISTS",
        resource: { type: "workspace", name: id },
      },
    );
  }

  /** How many published trees no workspace belongs to, when they were last looked at. */
  get orphans(): number {
    return this.#orphans.size;
  }

  /** Returns whether the id was that of an orphan when it was last looked at. */
  isOrphan(id: string): boolean {
    return this.#orphans.has(id);
  }

  /**
   * Refuses an id that an orphan still has.
   * @throws {DaemonError} ALREADY_EXISTS; what else keeps the tree from being looked for
   */
  async checkOrphanRemoved(id: string): Promise<void> {
    if (await this.#content.exists({ area: "workspaces", name: id })) {
      throw new DaemonError(
        "ALREADY_EXISTS",
        `There is an entry workspaces/${id} that no workspace belongs to: move it away first`,
        { reason: "ORPHAN_EXISTS", resource: { type: "workspace", name: id } },
      );
    }
    this.#orphans = this.#orphans.difference(new Set([id]));
  }
}
