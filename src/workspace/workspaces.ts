import type { GitStatus } from "../git/mod.ts";
import type { InitializerSpec } from "../initializer/mod.ts";
import type { DisposeOptions } from "./final_saves.ts";

/** A parsed InitWorkspace request. */
export interface InitRequest {
  /** The instance's name on this node, free again once it is disposed of. */
  id: string;
  /** With `metaId`, the identity that the workspace's backups belong to. */
  owner: string;
  metaId: string;
  /** What the workspace starts from. */
  initializer: InitializerSpec;
  /** Refuses every snapshot and backup of this workspace. */
  remoteStorageDisabled: boolean;
  /** Bytes; 0n for none. Negative ones are refused. */
  storageQuotaBytes: bigint;
}

/**
 * The six operations on workspaces. All but `exists` and `waitForInit` answer UNAVAILABLE while the
 * daemon shuts down; all but `init` and `exists` answer NOT_FOUND for an unknown id.
 */
export interface Workspaces {
  /**
   * Creates a workspace and resolves once its content is there and durable. Accepted work belongs to
   * the daemon: it runs to its end whether or not the caller still waits.
   * @param onWarning told what the caller should know of though nothing has failed
   * @throws {DaemonError} ALREADY_EXISTS, INVALID_ARGUMENT, or what the initializer failed with;
   *   nothing is left of the workspace then
   */
  init(request: InitRequest, onWarning?: (message: string) => void): Promise<void>;
  /**
   * Resolves once a workspace is AVAILABLE.
   * @param signal ends this wait alone
   * @throws {DaemonError} FAILED_PRECONDITION where its initialisation failed or there is none to
   *   wait for, CANCELLED by the signal
   */
  waitForInit(id: string, signal: AbortSignal): Promise<void>;
  /** Returns whether the id is taken, whatever state its workspace is in. */
  exists(id: string): boolean;
  /**
   * Saves the content under a new url, and resolves to that.
   * @param returnImmediately resolves before the snapshot is stored; it is stored later, by this run
   *   of the daemon or the next
   * @throws {DaemonError} FAILED_PRECONDITION unless it is AVAILABLE and may be stored, UNAVAILABLE
   *   where the store cannot be reached
   */
  takeSnapshot(id: string, returnImmediately: boolean): Promise<string>;
  /**
   * Replaces the identity's backup by the content, and resolves to its url.
   * @throws {DaemonError} as {@link takeSnapshot}
   */
  backup(id: string): Promise<string>;
  /**
   * Saves what the options ask for and deletes the workspace; resolves once its id is free. A call
   * joins a disposal that is running and may add to what it saves until it deletes.
   * @throws {DaemonError} DATA_LOSS where the content could not be saved, and stays; the call can be
   *   repeated. FAILED_PRECONDITION for what cannot be saved any more, and where not all can be
   *   deleted yet: that goes on in the background.
   */
  dispose(id: string, options: DisposeOptions): Promise<{ gitStatus?: GitStatus }>;
}
