/**
 * The reasons that programs tell failures by. They are part of the API: `docs/api.md` lists them, a
 * reason is never renamed, and its code stays.
 */

import type { ErrorCode } from "./error_code.ts";

interface ReasonInfo {
  /** The only code that the reason comes with. */
  code: ErrorCode;
  /** Seconds after which the same call may succeed; absent where it needs a change first. */
  retrySeconds?: number;
}

const REASON_TABLE = {
  ABORTED: { code: "ABORTED" },
  DISPOSED_DURING_INIT: { code: "ABORTED" },
  OPERATION_CANCELLED: { code: "ABORTED" },

  ALREADY_EXISTS: { code: "ALREADY_EXISTS" },
  ORPHAN_EXISTS: { code: "ALREADY_EXISTS" },
  WORKSPACE_BEING_DELETED: { code: "ALREADY_EXISTS", retrySeconds: 5 },
  WORKSPACE_EXISTS: { code: "ALREADY_EXISTS" },

  CANCELLED: { code: "CANCELLED" },

  FINAL_SAVE_FAILED: { code: "DATA_LOSS" },
  STORED_DATA_DAMAGED: { code: "DATA_LOSS" },

  DEADLINE_EXCEEDED: { code: "DEADLINE_EXCEEDED" },

  ARCHIVE_INVALID: { code: "FAILED_PRECONDITION" },
  BACKUP_NOT_FOUND: { code: "FAILED_PRECONDITION" },
  CONTENT_CONFLICT: { code: "FAILED_PRECONDITION" },
  CONTENT_MISSING: { code: "FAILED_PRECONDITION" },
  DELETION_BLOCKED: { code: "FAILED_PRECONDITION" },
  DIGEST_MISMATCH: { code: "FAILED_PRECONDITION" },
  DOWNLOAD_FAILED: { code: "FAILED_PRECONDITION" },
  DOWNLOAD_UNREACHABLE: { code: "FAILED_PRECONDITION", retrySeconds: 30 },
  DRAIN_INCOMPLETE: { code: "FAILED_PRECONDITION" },
  EGRESS_REFUSED: { code: "FAILED_PRECONDITION" },
  FINAL_SAVE_IMPOSSIBLE: { code: "FAILED_PRECONDITION" },
  GIT_AUTHENTICATION_FAILED: { code: "FAILED_PRECONDITION" },
  GIT_FAILED: { code: "FAILED_PRECONDITION" },
  GIT_REMOTE_UNREACHABLE: { code: "FAILED_PRECONDITION", retrySeconds: 30 },
  GIT_TARGET_NOT_FOUND: { code: "FAILED_PRECONDITION" },
  GIT_TIMEOUT: { code: "FAILED_PRECONDITION" },
  GIT_UNUSABLE: { code: "FAILED_PRECONDITION" },
  INIT_FAILED: { code: "FAILED_PRECONDITION" },
  NODE_DISK_FAULT: { code: "FAILED_PRECONDITION" },
  NODE_PATH_IN_USE: { code: "FAILED_PRECONDITION" },
  NODE_PERMISSION_DENIED: { code: "FAILED_PRECONDITION" },
  NODE_STATE_UNUSABLE: { code: "FAILED_PRECONDITION" },
  OPERATION_NOT_CANCELLABLE: { code: "FAILED_PRECONDITION" },
  OWNER_HAS_WORKSPACES: { code: "FAILED_PRECONDITION" },
  PRECONDITION_FAILED: { code: "FAILED_PRECONDITION" },
  REMOTE_STORAGE_DISABLED: { code: "FAILED_PRECONDITION" },
  SECRET_UNAVAILABLE: { code: "FAILED_PRECONDITION" },
  STORE_REFUSED: { code: "FAILED_PRECONDITION" },
  WORKSPACE_STATE_INVALID: { code: "FAILED_PRECONDITION" },

  INTERNAL_ERROR: { code: "INTERNAL" },

  INVALID_REQUEST: { code: "INVALID_ARGUMENT" },

  NOT_FOUND: { code: "NOT_FOUND" },
  OPERATION_NOT_FOUND: { code: "NOT_FOUND" },
  SNAPSHOT_NOT_FOUND: { code: "NOT_FOUND" },
  WORKSPACE_NOT_FOUND: { code: "NOT_FOUND" },

  PERMISSION_DENIED: { code: "PERMISSION_DENIED" },

  NODE_LIMIT_REACHED: { code: "RESOURCE_EXHAUSTED" },
  NODE_OUT_OF_SPACE: { code: "RESOURCE_EXHAUSTED" },
  QUOTA_EXCEEDED: { code: "RESOURCE_EXHAUSTED" },
  RESOURCE_EXHAUSTED: { code: "RESOURCE_EXHAUSTED" },
  STORE_FULL: { code: "RESOURCE_EXHAUSTED" },
  TOO_MANY_REQUESTS: { code: "RESOURCE_EXHAUSTED" },

  FILE_SYSTEM_UNAVAILABLE: { code: "UNAVAILABLE", retrySeconds: 30 },
  NODE_DRAINING: { code: "UNAVAILABLE" },
  SHUTTING_DOWN: { code: "UNAVAILABLE", retrySeconds: 5 },
  STORE_UNAVAILABLE: { code: "UNAVAILABLE", retrySeconds: 5 },
  UNAVAILABLE: { code: "UNAVAILABLE", retrySeconds: 5 },

  UNIMPLEMENTED: { code: "UNIMPLEMENTED" },
} as const satisfies Readonly<Record<string, ReasonInfo>>;

/** Why something failed, for programs. */
export type Reason = keyof typeof REASON_TABLE;

/** The reasons that come with a code. */
export type ReasonOf<C extends ErrorCode> = {
  [R in Reason]: (typeof REASON_TABLE)[R]["code"] extends C ? R : never;
}[Reason];

/** Every reason, with its code and whether a retry makes sense. */
export const REASONS: Readonly<Record<Reason, ReasonInfo>> = REASON_TABLE;

/** The reason of an error that says no more than its code. */
export const DEFAULT_REASONS: { readonly [C in ErrorCode]: ReasonOf<C> } = {
  ABORTED: "ABORTED",
  ALREADY_EXISTS: "ALREADY_EXISTS",
  CANCELLED: "CANCELLED",
  DATA_LOSS: "STORED_DATA_DAMAGED",
  DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
  FAILED_PRECONDITION: "PRECONDITION_FAILED",
  INTERNAL: "INTERNAL_ERROR",
  INVALID_ARGUMENT: "INVALID_REQUEST",
  NOT_FOUND: "NOT_FOUND",
  PERMISSION_DENIED: "PERMISSION_DENIED",
  RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
  UNAVAILABLE: "UNAVAILABLE",
  UNIMPLEMENTED: "UNIMPLEMENTED",
};
