/**
 * Named boundaries between a daemon's steps. An armed one says on stderr that it is reached and holds
 * its thread up until the process is killed.
 *
 * Nothing of wsdaemon knows of this: a run from source is given an import map that puts the modules
 * of this folder between wsdaemon's own; no other build carries them.
 */

import { ARMED } from "./armed.ts";

/** Begins the line that says which point was reached. */
export const REACHED = "chaos: reached ";
/** Begins the line that names the points that are in force. */
export const IN_FORCE = "chaos: crash points ";
/** What an operation dies of that was told to. */
export const TOLD_TO_FAIL = "chaos: this operation was told to fail";

type Method = (...args: unknown[]) => unknown;
type Moment = "before" | "after" | "throw";

const encoder = new TextEncoder();
let hits = 0;

function say(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}

/** Says which points there are. */
export function announce(what: string, methods: readonly string[]): void {
  say(IN_FORCE + methods.map((method) => `${what}.${method}`).join(" "));
}

function isHit(name: string, moment: Moment): boolean {
  return ARMED?.point === `${name}.${moment}` && ++hits === ARMED.hit;
}

/** Holds the thread up; the process is killed meanwhile. */
function stop(): void {
  say(`${REACHED}${ARMED!.point} ${Deno.pid}`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
}

/**
 * Returns the method, whose callers await it, with a crash point before and after it; it is called with
 * the same `this`.
 */
export function withPoints(name: string, method: Method): Method {
  return function (this: unknown, ...args: unknown[]): unknown {
    if (isHit(name, "throw")) throwUncaught();
    const call = () => method.apply(this, args);
    if (!isHit(name, "before")) return after(name, call());
    if (ARMED!.linger === 0) stop();
    return pause(ARMED!.linger).then(stop).then(call);
  };
}

/** {@link withPoints} for a method that has done its work when it returns: nothing lingers there. */
export function withSyncPoints(name: string, method: Method): Method {
  return function (this: unknown, ...args: unknown[]): unknown {
    if (isHit(name, "before")) stop();
    const result = method.apply(this, args);
    if (isHit(name, "after")) stop();
    return result;
  };
}

function after(name: string, result: unknown): unknown {
  if (!(result instanceof Promise)) {
    if (isHit(name, "after")) stop();
    return result;
  }
  return result.then(async (value: unknown) => {
    if (!isHit(name, "after")) return value;
    await pause(ARMED!.linger);
    stop();
    return value;
  });
}

/** Throws where nobody catches it, as a bug in a callback would. */
function throwUncaught(): void {
  say(`${REACHED}${ARMED!.point} ${Deno.pid}`);
  queueMicrotask(() => {
    throw new Error(TOLD_TO_FAIL);
  });
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Returns the object with crash points around those of its methods. */
export function withMethodPoints<T extends object>(
  what: string,
  target: T,
  methods: readonly (keyof T & string)[],
): T {
  announce(what, methods);
  const replaced = new Map<PropertyKey, unknown>(
    methods.map((name) => [
      name,
      withPoints(`${what}.${name}`, target[name] as Method).bind(target),
    ]),
  );
  return new Proxy(target, {
    get(object, name) {
      if (replaced.has(name)) return replaced.get(name);
      const value: unknown = Reflect.get(object, name, object);
      return typeof value === "function" ? value.bind(object) : value;
    },
  });
}
