/** Buffers of a thread that reads and writes files piece by piece, such as a content Worker. */

import { BufferPool } from "../memory.ts";

/** Bytes of a buffer of {@link buffers}: a frame of a layer or of an index. */
export const BUFFER_BYTES: number = 1 << 20;

/** Buffers for reading and writing files piece by piece. */
export const buffers: BufferPool = new BufferPool(BUFFER_BYTES);
