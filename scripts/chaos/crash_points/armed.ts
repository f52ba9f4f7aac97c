/** A daemon of a chaos run that is to be killed gets a module of its own in this one's place. */

/** At which crash point a daemon stops. */
export interface Armed {
  /** `<what>.<method>.<before|after>`, or `<what>.<method>.throw`. */
  point: string;
  /** The how manieth time that a thread comes by there. */
  hit: number;
  /** Milliseconds to let everything else go on first, where the method is asynchronous. */
  linger: number;
}

export const ARMED: Armed | undefined = undefined as Armed | undefined;
