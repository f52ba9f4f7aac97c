/** Turns errno into typed errors. */

import { type ErrnoName, errnoName, machineErrorNamed, type Refusal } from "../errors.ts";
import { libc } from "./libc.ts";

/** Where a call failed; its paths are looked up only when they are asked for. */
export interface FailurePlace {
  /** Relative to an area's folder, for people. */
  readonly path: string;
  /** Absolute, for operators. */
  readonly location: string;
}

/** A system call that failed. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly #place: FailurePlace;
  #path: string | undefined;

  /**
   * @param errno why
   * @param syscall what was called
   * @param place what it was called for. A function where that is expensive to find out: of most errors
   *   only the errno is used
   * @param refusal why it is not permitted, where the errno says that it is not
   */
  constructor(
    readonly errno: ErrnoName,
    readonly syscall: string,
    place: string | FailurePlace,
    readonly refusal?: Refusal,
  ) {
    super();
    this.#place = typeof place === "string" ? { path: place, location: place } : place;
    Object.defineProperty(this, "message", { get: () => this.#describe(), configurable: true });
  }

  get path(): string {
    return this.#path ??= this.#place.path;
  }

  /** Absolute path, for operators. */
  get location(): string {
    return this.#place.location;
  }

  #describe(): string {
    const words = machineErrorNamed(this.errno)?.words;
    const why = words ? `${words} (${this.errno})` : this.errno;
    return `${this.syscall} ${JSON.stringify(this.path)}: ${why}`;
  }
}

/** Returns whether `error` is a {@link SystemError} with one of these names. */
export function isErrno(error: unknown, ...names: ErrnoName[]): error is SystemError {
  return error instanceof SystemError && names.includes(error.errno);
}

const number = new Int32Array(1);

/**
 * Returns the errno of the call that has just failed on this thread. It is right but for one time in
 * many millions: see {@link confirmedErrno}, which serves every call that may be made again.
 */
export function lastErrno(): ErrnoName {
  const { sys, errnoLocation } = libc();
  sys.memcpy(number, errnoLocation, 4n);
  return errnoName(number[0]!);
}

/** The errno of a failure that is to be confirmed by the next call. */
let unconfirmed: ErrnoName | undefined;

/**
 * Returns the errno of the call that has just failed on this thread; `undefined` where the call is to be
 * made again, at once, because it was interrupted or because its errno is not confirmed.
 *
 * The runtime may run code of its own between a call and the reading of errno: it compiles, collects
 * garbage, answers signals, and its own calls change errno. An `rmdir` of a directory that was not empty
 * has been seen to say EAGAIN. A call that failed has changed nothing, so it is made again, and has
 * failed once two in a row say the same. A `close` and a `sync` may not be made again: the second says
 * that all is well.
 */
export function confirmedErrno(): ErrnoName | undefined {
  const errno = lastErrno();
  if (errno === unconfirmed) {
    unconfirmed = undefined;
    return errno;
  }
  unconfirmed = errno === "EINTR" ? undefined : errno;
  return undefined;
}

/** What an error names when a call fails: something open, or an entry of it. */
export interface Located {
  readonly path: string;
  readonly location: string;
  pathOf(entry: Uint8Array | string): string;
  locationOf(entry: Uint8Array | string): string;
  /** Why a call on an entry, or on what is open itself, was not permitted. */
  refusalOf?(errno: ErrnoName, syscall: string, entry: Uint8Array | string | undefined): Refusal;
}

/** Returns where a call failed; the entry's bytes may change afterwards. */
function placeOf(at: Located, entry?: Uint8Array | string): FailurePlace {
  if (entry === undefined) return at;
  const kept = typeof entry === "string" ? entry : entry.slice();
  return {
    get path() {
      return at.pathOf(kept);
    },
    get location() {
      return at.locationOf(kept);
    },
  };
}

/**
 * Returns the error of a call that has just failed.
 * @param entry of `at`, where the call named one
 */
export function systemError(
  errno: ErrnoName,
  syscall: string,
  at: Located,
  entry?: Uint8Array | string,
): SystemError {
  const isRefused = errno === "EPERM" || errno === "EACCES";
  const refusal = isRefused ? at.refusalOf?.(errno, syscall, entry) : undefined;
  return new SystemError(errno, syscall, placeOf(at, entry), refusal);
}

/** Returns the error of a call that has just failed between two entries, which are kept as they are. */
export function systemErrorBetween(
  errno: ErrnoName,
  syscall: string,
  [from, entry]: readonly [Located, Uint8Array | string],
  [to, toEntry]: readonly [Located, Uint8Array | string],
): SystemError {
  const { refusal } = systemError(errno, syscall, from, entry);
  const [source, target] = [placeOf(from, entry), placeOf(to, toEntry)];
  return new SystemError(errno, syscall, {
    get path() {
      return `${source.path} -> ${target.path}`;
    },
    get location() {
      return `${source.location} -> ${target.location}`;
    },
  }, refusal);
}

/**
 * Returns if the call that has just failed is to be made again, as {@link confirmedErrno} says.
 * @param entry of `at`, where the call named one
 * @throws {SystemError} for any other reason
 */
export function throwIfConfirmed(
  syscall: string,
  at: Located,
  entry?: Uint8Array | string,
): void {
  const errno = confirmedErrno();
  if (errno !== undefined) throw systemError(errno, syscall, at, entry);
}

/**
 * Returns if the call that has just failed was only interrupted, and is to be made again. It serves
 * calls that must not be made again for any other reason.
 * @param entry of `at`, where the call named one
 * @throws {SystemError} for any other reason
 */
export function throwUnlessInterrupted(
  syscall: string,
  at: Located,
  entry?: Uint8Array | string,
): void {
  const errno = lastErrno();
  if (errno === "EINTR") return;
  throw systemError(errno, syscall, at, entry);
}
