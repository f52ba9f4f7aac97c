/** Open regular files. */

import type { Extent } from "../extent.ts";
import { FADVISE, SEEK } from "./constants.ts";
import { Descriptor } from "./descriptor.ts";
import { confirmedErrno, SystemError, throwIfConfirmed, throwUnlessInterrupted } from "./errno.ts";
import { system } from "./libc.ts";

/** Bytes that one call of the kernel's is asked to copy. */
const MAX_COPY = 1 << 30;
const COPY_BUFFER = 1 << 20;
const SYNC_FILE_RANGE_WRITE = 2;

/** An open file. Offsets and lengths are in bytes. */
export class File extends Descriptor {
  /** Reads into `into` at the file's position. @returns bytes read, 0 at the end. @throws {SystemError} */
  read(into: Uint8Array): number {
    if (into.length === 0) return 0;
    const sys = system();
    const length = BigInt(into.length);
    for (;;) {
      const count = sys.read(this.fd, into as Uint8Array<ArrayBuffer>, length);
      if (count >= 0) return count;
      throwIfConfirmed("read", this);
    }
  }

  /** Reads at `offset`. @returns bytes read, 0 at the end. @throws {SystemError} */
  readAt(into: Uint8Array, offset: number): number {
    if (into.length === 0) return 0;
    const sys = system();
    const length = BigInt(into.length);
    const at = BigInt(offset);
    for (;;) {
      const count = sys.pread64(this.fd, into as Uint8Array<ArrayBuffer>, length, at);
      if (count >= 0) return count;
      throwIfConfirmed("pread", this);
    }
  }

  /** Writes all of `from` at the file's position. @throws {SystemError} */
  write(from: Uint8Array): void {
    const sys = system();
    for (let rest = from as Uint8Array<ArrayBuffer>; rest.length > 0;) {
      const count = sys.write(this.fd, rest, BigInt(rest.length));
      if (count < 0) throwIfConfirmed("write", this);
      else rest = rest.subarray(count);
    }
  }

  /** Writes all of `from` at `offset`. @throws {SystemError} */
  writeAt(from: Uint8Array, offset: number): void {
    const sys = system();
    let at = offset;
    for (let rest = from as Uint8Array<ArrayBuffer>; rest.length > 0;) {
      const count = sys.pwrite64(this.fd, rest, BigInt(rest.length), BigInt(at));
      if (count < 0) {
        throwIfConfirmed("pwrite", this);
      } else {
        rest = rest.subarray(count);
        at += count;
      }
    }
  }

  /** Sets the size; what is added is a hole. @throws {SystemError} */
  truncate(size: number): void {
    while (system().ftruncate64(this.fd, BigInt(size)) < 0) {
      throwIfConfirmed("ftruncate", this);
    }
  }

  /** Moves the position. @returns the new one. @throws {SystemError} */
  seek(offset: number, whence: number = SEEK.SET): number {
    const position = this.#seek(BigInt(offset), whence);
    if (position < 0n) throw new SystemError("ENXIO", "lseek", this.path);
    return Number(position);
  }

  /**
   * Returns the next extent of data at or after `offset`; `undefined` where only a hole is left. On file
   * systems that know no holes it is the whole rest.
   * @throws {SystemError}
   */
  nextData(offset: number): Extent | undefined {
    const start = this.#seek(BigInt(offset), SEEK.DATA);
    if (start < 0n) return undefined;
    const end = this.#seek(start, SEEK.HOLE);
    // The file was truncated meanwhile.
    if (end < 0n) return undefined;
    return { offset: Number(start), length: Number(end - start) };
  }

  /** Moves the position. @returns the new one; -1 for ENXIO, where there is nothing to find. @throws {SystemError} */
  #seek(offset: bigint, whence: number): bigint {
    const sys = system();
    for (;;) {
      const position = sys.lseek64(this.fd, offset, whence);
      if (position >= 0n) return position;
      const errno = confirmedErrno();
      if (errno === "ENXIO") return -1n;
      if (errno !== undefined) throw new SystemError(errno, "lseek", this.path);
    }
  }

  /**
   * Writes up to `length` bytes of `source`, from its position on, at this file's position: by the
   * kernel where the file systems can, which shares blocks where they can do that too.
   * @returns how many; 0 at the end of `source`
   * @throws {SystemError}
   */
  copyFrom(source: File, length: number): number {
    const sys = system();
    const chunk = BigInt(Math.min(length, MAX_COPY));
    for (;;) {
      const count = sys.copy_file_range(source.fd, null, this.fd, null, chunk, 0);
      if (count >= 0) return count;
      const errno = confirmedErrno();
      if (errno === "EXDEV" || errno === "EOPNOTSUPP" || errno === "EINVAL") {
        return this.#copyByBuffer(source, length);
      }
      if (errno !== undefined) throw new SystemError(errno, "copy_file_range", this.path);
    }
  }

  #copyByBuffer(source: File, length: number): number {
    const buffer = new Uint8Array(Math.min(length, COPY_BUFFER));
    const count = source.read(buffer);
    this.write(buffer.subarray(0, count));
    return count;
  }

  /** Makes the content durable, and the metadata that reading it back needs. @throws {SystemError} */
  syncData(): void {
    while (system().fdatasync(this.fd) < 0) throwUnlessInterrupted("fdatasync", this);
  }

  /**
   * Has the kernel begin to write back a range (of length 0: all from `offset` on) without waiting, so
   * that a later sync finds less to do. Errors are ignored: that sync reports them.
   */
  startWriteback(offset: number, length: number): void {
    system().sync_file_range(this.fd, BigInt(offset), BigInt(length), SYNC_FILE_RANGE_WRITE);
  }

  /** Tells the page cache what comes next, one of `FADVISE`. It is a hint, so errors are ignored. */
  advise(advice: number = FADVISE.SEQUENTIAL, offset = 0, length = 0): void {
    system().posix_fadvise64(this.fd, BigInt(offset), BigInt(length), advice);
  }
}
