/** Looks groups up in `/etc/group`. */

import { reasonOf, StartError } from "../errors.ts";

/**
 * Returns the id of a group.
 * @param group its name, or its id in decimal
 * @param read returns the text of `/etc/group`
 * @throws {StartError} where there is no group of that name
 */
export function groupId(
  group: string,
  read: () => string = () => Deno.readTextFileSync("/etc/group"),
): number {
  if (/^\d+$/.test(group)) return Number(group);
  let text: string;
  try {
    text = read();
  } catch (error) {
    throw new StartError(`Cannot look the group ${group} up in /etc/group: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const line = text.split("\n").map((line) => line.split(":")).find(([name]) => name === group);
  const id = line?.[2];
  if (id !== undefined && /^\d+$/.test(id)) return Number(id);
  throw new StartError(
    `Cannot give unix sockets to the group ${group}, which is not in /etc/group: make it, or give ` +
      "its id as unixSocket.group",
  );
}
