/**
 * The state of a tree in words: each of its subvolumes, the outermost first, by UUID and generation.
 */

/** One subvolume of a tree, as it was when it was frozen. */
export interface SubvolumeState {
  /** Hexadecimal; no other subvolume ever has it, under whatever name. */
  readonly uuid: string;
  /** Transaction that changed it last. */
  readonly generation: bigint;
}

/** Returns a state as callers keep it and compare it. */
export function formatState(subvolumes: readonly SubvolumeState[]): string {
  return subvolumes.map(({ uuid, generation }) => `${uuid}:${generation}`).join();
}

/** Returns what {@link formatState} was given. @throws {RangeError} if it was given nothing like that */
export function parseState(state: string): SubvolumeState[] {
  return state.split(",").map((one) => {
    const match = /^([0-9a-f]{32}):(\d+)$/.exec(one);
    if (!match) throw new RangeError(`${one} is not a subvolume and its generation`);
    return { uuid: match[1]!, generation: BigInt(match[2]!) };
  });
}
