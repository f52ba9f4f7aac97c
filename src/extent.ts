/** A range of a file that holds data; what lies between a file's extents is a hole. */
export interface Extent {
  /** Bytes from the file's start. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}
