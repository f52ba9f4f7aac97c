import type { GitStatus } from "../git/mod.ts";
import type { InitializerSpec } from "../initializer/mod.ts";

export interface InitRequest {
  id: string;
  owner: string;
  metaId: string;
  initializer: InitializerSpec;
  remoteStorageDisabled: boolean;
  /** Bytes; 0n for none. Negative ones are refused. */
  storageQuotaBytes: bigint;
}

export interface Workspaces {
  /** @param onWarning told what the caller should know of though nothing has failed */
  init(request: InitRequest, onWarning?: (message: string) => void): Promise<void>;
  /** `signal` ends this wait alone. */
  waitForInit(id: string, signal: AbortSignal): Promise<void>;
  exists(id: string): boolean;
  /** Resolves to the snapshot's url. */
  takeSnapshot(id: string, returnImmediately: boolean): Promise<string>;
  /** Resolves to the backup's url. */
  backup(id: string): Promise<string>;
  dispose(
    id: string,
    options: { backup: boolean; backupLogs: boolean },
  ): Promise<{ gitStatus?: GitStatus }>;
}
